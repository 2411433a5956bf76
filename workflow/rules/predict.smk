rule predict:
    input:
        posterior="results/fits/{fit}/posterior.nc",
        held_out=dataset("held_out"),
    output:
        predictions="results/predictions/{fit}.nc",
        evaluation="results/evaluations/{fit}.nc",
    log:
        "results/logs/predict/{fit}.log",
    benchmark:
        "results/benchmarks/predict/{fit}.tsv"
    wildcard_constraints:
        fit=fit_of(ENTRIES),
    conda:
        "../../envs/torch.yaml"
    params:
        model=lambda wildcards: network(wildcards.fit)["model"],
        grid=config["predictions"]["grid"],
        kept={key: config["predictions"][key] for key in ("quantiles", "function_draws")},
        regions=config["evaluation"]["regions"],
        seed=lambda wildcards: derived(config["seed"], wildcards.fit, "simulated"),
        torch_threads=1,
        code=code("predict"),
    script:
        "../scripts/predict.py"
