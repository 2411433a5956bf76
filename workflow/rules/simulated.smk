for data_set in plan.observations:

    rule:
        name:
            f"generate_data_{data_set}"
        output:
            dataset(data_set),
        log:
            f"results/logs/generate_data_{data_set}.log",
        benchmark:
            f"results/benchmarks/generate_data_{data_set}.tsv"
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            stream=config["data"]["seed"],
            noise=config["data"]["noise"],
            sets=plan.source.stream_until(data_set),
            code=code("generate_data"),
        script:
            "../scripts/generate_data.py"


rule generate_data_held_out:
    output:
        dataset("held_out"),
    log:
        "results/logs/generate_data_held_out.log",
    benchmark:
        "results/benchmarks/generate_data_held_out.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        interval=config["data"]["held_out"],
        noise=config["data"]["noise"],
        seed=plan.source.held_out_seed(plan.source.first),
        code=code("generate_data_held_out"),
    script:
        "../scripts/generate_data_held_out.py"


rule generate_data_truth:
    output:
        dataset("truth"),
    log:
        "results/logs/generate_data_truth.log",
    benchmark:
        "results/benchmarks/generate_data_truth.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        interval=config["data"]["truth"],
        code=code("generate_data_truth"),
    script:
        "../scripts/generate_data_truth.py"


# In which regions held-out points lie is found here, and nowhere else.
rule points:
    input:
        held_out=dataset("held_out"),
    output:
        plan.source.held_out_points(plan.source.first),
    log:
        "results/logs/points.log",
    benchmark:
        "results/benchmarks/points.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        regions=config["evaluation"]["regions"],
        sets=plan.source.intervals(),
        code=code("points"),
    script:
        "../scripts/points.py"
