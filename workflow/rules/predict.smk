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
        fit=plan.fits_of(plan.entries),
    conda:
        "../../envs/torch.yaml"
    resources:
        **by_attempt(plan.prediction_needs),
    params:
        model=of(lambda fit: plan.network(fit)["model"]),
        grid=config["predictions"]["grid"],
        kept={key: config["predictions"][key] for key in ("quantiles", "function_draws")},
        regions=config["evaluation"]["regions"],
        seed=of(plan.simulation_seed),
        torch_threads=1,
        code=code("predict"),
    script:
        "../scripts/predict.py"
