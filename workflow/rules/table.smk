# What the columns of a table are, which rows no fit sees, and where all fits predict.
rule split_table:
    input:
        **plan.source.given,
    output:
        sets=[dataset(name) for name in plan.observations],
        held_out=dataset("held_out"),
        columns=COLUMNS,
        grid=GRID,
        points=POINTS,
    log:
        "results/logs/split_table.log",
    benchmark:
        "results/benchmarks/split_table.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        settings=plan.source.read_by_split,
        regions=config["evaluation"].get("regions", {}),
        code=code("split_table"),
    script:
        "../scripts/split_table.py"


# The line is the least that a fit should beat; it learns from all sets from which any fit does.
rule evaluate_baselines:
    input:
        columns=COLUMNS,
        points=POINTS,
        training=plan.learnt(plan.fits),
    output:
        **{name: plan.source.references[name] for name in plan.source.baselines},
        **{f"{name}_rows": plan.source.rows_of(name) for name in plan.source.baselines},
    log:
        "results/logs/evaluate_baselines.log",
    benchmark:
        "results/benchmarks/evaluate_baselines.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        seed=plan.source.baselines_seed,
        code=code("evaluate_baselines"),
    script:
        "../scripts/evaluate_baselines.py"
