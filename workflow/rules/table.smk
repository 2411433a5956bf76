# What the columns of a table are, which rows no fit sees, and where all fits predict.
rule split_table:
    input:
        **plan.source.given,
    output:
        sets=[dataset(name, plan.source.place) for name in plan.observations],
        held_out=dataset("held_out", plan.source.place),
        columns=data_file(COLUMNS, plan.source.place),
        grid=data_file(GRID, plan.source.place),
        points=data_file(POINTS, plan.source.place),
    log:
        plan.record_by_split("logs", "split_table"),
    benchmark:
        plan.record_by_split("benchmarks", "split_table")
    wildcard_constraints:
        split=one_of(plan.source.splits),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        settings=of_split(plan.source.read_by_split),
        regions=config["evaluation"].get("regions", {}),
        several=len(plan.source.splits) > 1,
        code=code("split_table"),
    script:
        "../scripts/split_table.py"
