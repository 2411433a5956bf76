rule plot_data:
    input:
        truth=dataset("truth"),
        shown=of(plan.shown, wildcard="name"),
        style=style(),
    output:
        **drawn("{name}", "data", "1. Data", figure="{name}"),
    log:
        "results/logs/plot_data/{name}.log",
    benchmark:
        "results/benchmarks/plot_data/{name}.tsv"
    wildcard_constraints:
        name=one_of(config["figures"]["data"]),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        shown=of(config["figures"]["data"].get, wildcard="name"),
        frame=plan.frame(),
        code=code("plot_data"),
    script:
        "../scripts/plot_data.py"


rule plot_fit:
    input:
        predictions=["results/predictions/{fit}.nc"],
        diagnostics=["results/fits/{fit}/diagnostics.csv"],
        held_out=dataset("held_out"),
        observations=of(lambda fit: plan.learnt([fit])),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("{fit}", "fit", "2. Fits", fit="{fit}", shows="prediction"),
    log:
        "results/logs/plot_fit/{fit}.log",
    benchmark:
        "results/benchmarks/plot_fit/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(plan.entries),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        panels=of(lambda fit: plan.panels([fit])),
        observations=of(lambda fit: plan.data_of([fit])),
        frame=plan.frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"


rule plot_loss:
    input:
        loss="results/fits/{fit}/loss.csv",
        diagnostics="results/fits/{fit}/diagnostics.csv",
        data=of(plan.observed),
        style=style(),
    output:
        **drawn("{fit}_loss", "loss", "2. Fits", fit="{fit}", shows="loss"),
    log:
        "results/logs/plot_loss/{fit}.log",
    benchmark:
        "results/benchmarks/plot_loss/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_with("loss"),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=of(plan.title),
        steps=of(lambda fit: plan.fit(fit)["inference"]["steps"]),
        limits=config["diagnostics"]["elbo_drift"],
        code=code("plot_loss"),
    script:
        "../scripts/plot_loss.py"


# An updated fit beside the one whose posterior is its prior, and beside those without an update.
rule plot_update:
    input:
        predictions=of(
            lambda fit: expand("results/predictions/{fit}.nc", fit=plan.update_roles(fit).values())
        ),
        diagnostics=of(
            lambda fit: expand(
                "results/fits/{fit}/diagnostics.csv", fit=plan.update_roles(fit).values()
            )
        ),
        observations=of(lambda fit: plan.learnt([fit])),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("{fit}_beside_prior", "update", "3. Comparisons", figure="{fit} beside its prior"),
    log:
        "results/logs/plot_update/{fit}.log",
    benchmark:
        "results/benchmarks/plot_update/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(plan.updates()),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        panels=of(lambda fit: plan.panels(plan.update_roles(fit).values())),
        roles=of(lambda fit: list(plan.update_roles(fit))),
        new=of(lambda fit: plan.fit(fit)["data"]),
        observations=of(lambda fit: plan.data_of([fit])),
        frame=plan.frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"


rule plot_all_fits:
    input:
        predictions=expand("results/predictions/{fit}.nc", fit=plan.single),
        diagnostics=expand("results/fits/{fit}/diagnostics.csv", fit=plan.single),
        observations=plan.learnt(plan.single),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("all_fits", "all_fits", "3. Comparisons", figure="all fits"),
    log:
        "results/logs/plot_all_fits.log",
    benchmark:
        "results/benchmarks/plot_all_fits.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        fits=plan.single,
        panels=plan.panels(plan.single),
        observations=plan.data_of(plan.single),
        frame=plan.frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"


# All fits of a group, and the spread of their scores.
rule plot_group:
    input:
        predictions=of(
            lambda group: expand("results/predictions/{fit}.nc", fit=plan.entries[group]),
            wildcard="group",
        ),
        metrics="results/tables/metrics.csv",
        verdicts="results/tables/verdicts.csv",
        observations=of(lambda group: plan.learnt(plan.entries[group]), wildcard="group"),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("{group}", "group", "2. Fits", fit="{group}", shows="group"),
    log:
        "results/logs/plot_group/{group}.log",
    benchmark:
        "results/benchmarks/plot_group/{group}.tsv"
    wildcard_constraints:
        group=one_of(plan.groups),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=of(lambda group: plan.groups[group]["title"], wildcard="group"),
        cells=of(lambda group: plan.groups[group]["cells"], wildcard="group"),
        observations=of(lambda group: plan.data_of(plan.entries[group]), wildcard="group"),
        frame=plan.frame(),
        code=code("plot_group"),
    script:
        "../scripts/plot_group.py"


rule plot_chains:
    input:
        posterior="results/fits/{fit}/posterior.nc",
        evaluation="results/evaluations/{fit}.nc",
        diagnostics="results/fits/{fit}/diagnostics.csv",
        style=style(),
    output:
        **drawn("{fit}_chains", "chains", "2. Fits", fit="{fit}", shows="chains"),
    log:
        "results/logs/plot_chains/{fit}.log",
    benchmark:
        "results/benchmarks/plot_chains/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_with("chains"),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=of(plan.title),
        shown=["rhat_function", "rhat_chain_function", "ess_bulk_function", "ess_tail_function"],
        code=code("plot_chains"),
    script:
        "../scripts/plot_chains.py"


rule plot_calibration:
    input:
        evaluation="results/evaluations/{fit}.nc",
        diagnostics="results/fits/{fit}/diagnostics.csv",
        style=style(),
    output:
        **drawn("{fit}_calibration", "calibration", "2. Fits", fit="{fit}", shows="calibration"),
    log:
        "results/logs/plot_calibration/{fit}.log",
    benchmark:
        "results/benchmarks/plot_calibration/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(plan.entries),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=of(plan.title),
        code=code("plot_calibration"),
    script:
        "../scripts/plot_calibration.py"


# Of the fits by themselves; a group has a figure of its own.
rule plot_scores:
    input:
        metrics="results/tables/metrics.csv",
        verdicts="results/tables/verdicts.csv",
        style=style(),
    output:
        **drawn("scores", "scores", "3. Comparisons", figure="scores"),
    log:
        "results/logs/plot_scores.log",
    benchmark:
        "results/benchmarks/plot_scores.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        fits=[*plan.single, "oracle"],
        code=code("plot_scores"),
    script:
        "../scripts/plot_scores.py"
