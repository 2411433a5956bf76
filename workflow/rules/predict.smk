rule predict:
    input:
        posterior="results/fits/{fit}/posterior.nc",
    output:
        "results/predictions/{fit}.nc",
    log:
        "results/logs/predict/{fit}.log",
    benchmark:
        "results/benchmarks/predict/{fit}.tsv"
    wildcard_constraints:
        fit=one_of(FITS),
    conda:
        "../../envs/torch.yaml"
    params:
        model=lambda wildcards: network(wildcards.fit)["model"],
        grid=config["predictions"]["grid"],
        kept={key: config["predictions"][key] for key in ("quantiles", "function_draws")},
        torch_threads=1,
        code=code("predict"),
    script:
        "../scripts/predict.py"
