rule generate_data:
    output:
        observations=[dataset(name) for name in observation_names(config)],
        truth=dataset("truth"),
    log:
        "results/logs/generate_data.log",
    benchmark:
        "results/benchmarks/generate_data.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        data=config["data"],
        code=code("generate_data"),
    script:
        "../scripts/generate_data.py"
