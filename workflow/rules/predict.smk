# On the grid, which figures show, and at held-out points, by which a fit is judged.
rule predict:
    input:
        unpack(of_data(plan.source.grid)),
        posterior="results/fits/{fit}/posterior.nc",
        held_out=of_data(plan.source.held_out_points),
    output:
        grid="results/predictions/{fit}.nc",
        held_out="results/evaluations/{fit}.nc",
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
        fitted=of(plan.fitted),
        grid=config["predictions"].get("grid"),
        kept={key: config["predictions"][key] for key in ("quantiles", "function_draws")},
        seed=of(plan.simulation_seed),
        torch_threads=1,
        code=code_with("predict", plan.response_modules),
    script:
        "../scripts/predict.py"


# New rows of a table, if there are some.
rule predict_new:
    input:
        unpack(of_data(plan.source.columns)),
        new=lambda wildcards: plan.source.new[wildcards.table],
        posterior="results/fits/{fit}/posterior.nc",
        data=of(lambda fit: plan.learnt([fit])),
    output:
        "results/predictions/{fit}/{table}.csv",
    log:
        "results/logs/predict_new/{fit}/{table}.log",
    benchmark:
        "results/benchmarks/predict_new/{fit}/{table}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(plan.entries),
        table=one_of(plan.source.new),
    conda:
        "../../envs/torch.yaml"
    resources:
        **by_attempt(plan.prediction_needs),
    params:
        fitted=of(plan.fitted),
        quantiles=config["predictions"]["quantiles"],
        torch_threads=1,
        code=code_with("predict_new", plan.response_modules),
    script:
        "../scripts/predict_new.py"
