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
        regions=config["evaluation"]["regions"],
        code=code("split_table"),
    script:
        "../scripts/split_table.py"
