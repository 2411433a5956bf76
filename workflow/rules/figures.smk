rule plot_data:
    input:
        truth=dataset("truth"),
        shown=lambda wildcards: map(dataset, config["figures"]["data"][wildcards.name]),
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
        shown=lambda wildcards: config["figures"]["data"][wildcards.name],
        frame=frame(),
        code=code("plot_data"),
    script:
        "../scripts/plot_data.py"


rule plot_fit:
    input:
        predictions=["results/predictions/{fit}.nc"],
        diagnostics=["results/fits/{fit}/diagnostics.csv"],
        held_out=dataset("held_out"),
        observations=lambda wildcards: map(dataset, data_of([wildcards.fit])),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("{fit}", "fit", "2. Fits", fit="{fit}", shows="prediction"),
    log:
        "results/logs/plot_fit/{fit}.log",
    benchmark:
        "results/benchmarks/plot_fit/{fit}.tsv"
    wildcard_constraints:
        fit=fit_of(ENTRIES),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        panels=lambda wildcards: panels([wildcards.fit]),
        observations=lambda wildcards: data_of([wildcards.fit]),
        frame=frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"


rule plot_loss:
    input:
        loss="results/fits/{fit}/loss.csv",
        diagnostics="results/fits/{fit}/diagnostics.csv",
        data=lambda wildcards: datasets_of(wildcards.fit),
        style=style(),
    output:
        **drawn("{fit}_loss", "loss", "2. Fits", fit="{fit}", shows="loss"),
    log:
        "results/logs/plot_loss/{fit}.log",
    benchmark:
        "results/benchmarks/plot_loss/{fit}.tsv"
    wildcard_constraints:
        fit=fit_of(entry for entry in ENTRIES if is_svi(ENTRIES[entry][0])),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=lambda wildcards: FITS[wildcards.fit]["title"],
        steps=lambda wildcards: FITS[wildcards.fit]["inference"]["steps"],
        limits=config["diagnostics"]["elbo_drift"],
        code=code("plot_loss"),
    script:
        "../scripts/plot_loss.py"


def update_roles(fit):
    """What the fits of an update's picture are to each other, in its order."""
    return ["source", "updated", *(role for role in ("joint", "alone") if role in RELATIVES[fit])]


# An updated fit beside the one whose posterior is its prior, and beside those without an update.
rule plot_update:
    input:
        predictions=lambda wildcards: expand(
            "results/predictions/{fit}.nc", fit=update_and_relatives(wildcards.fit)
        ),
        diagnostics=lambda wildcards: expand(
            "results/fits/{fit}/diagnostics.csv", fit=update_and_relatives(wildcards.fit)
        ),
        observations=lambda wildcards: map(dataset, data_of([wildcards.fit])),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("{fit}_beside_prior", "update", "3. Comparisons", figure="{fit} beside its prior"),
    log:
        "results/logs/plot_update/{fit}.log",
    benchmark:
        "results/benchmarks/plot_update/{fit}.tsv"
    wildcard_constraints:
        fit=fit_of(entry for entry in ENTRIES if ENTRIES[entry][0] in UPDATED_FITS),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        panels=lambda wildcards: panels(update_and_relatives(wildcards.fit)),
        roles=lambda wildcards: update_roles(wildcards.fit),
        new=lambda wildcards: FITS[wildcards.fit]["data"],
        observations=lambda wildcards: data_of([wildcards.fit]),
        frame=frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"


rule plot_all_fits:
    input:
        predictions=expand("results/predictions/{fit}.nc", fit=SINGLE_FITS),
        diagnostics=expand("results/fits/{fit}/diagnostics.csv", fit=SINGLE_FITS),
        observations=list(map(dataset, data_of(SINGLE_FITS))),
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
        fits=SINGLE_FITS,
        panels=panels(SINGLE_FITS),
        observations=data_of(SINGLE_FITS),
        frame=frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"


# All fits of a group, and the spread of their scores.
rule plot_group:
    input:
        predictions=lambda wildcards: expand(
            "results/predictions/{fit}.nc", fit=ENTRIES[wildcards.group]
        ),
        metrics="results/tables/metrics.csv",
        verdicts="results/tables/verdicts.csv",
        observations=lambda wildcards: map(dataset, data_of(ENTRIES[wildcards.group])),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("{group}", "group", "2. Fits", fit="{group}", shows="group"),
    log:
        "results/logs/plot_group/{group}.log",
    benchmark:
        "results/benchmarks/plot_group/{group}.tsv"
    wildcard_constraints:
        group=one_of(GROUPS),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=lambda wildcards: GROUPS[wildcards.group]["title"],
        cells=lambda wildcards: GROUPS[wildcards.group]["cells"],
        observations=lambda wildcards: data_of(ENTRIES[wildcards.group]),
        frame=frame(),
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
        fit=fit_of(entry for entry in ENTRIES if not is_svi(ENTRIES[entry][0])),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=lambda wildcards: FITS[wildcards.fit]["title"],
        regions=config["evaluation"]["regions"],
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
        fit=fit_of(ENTRIES),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=lambda wildcards: FITS[wildcards.fit]["title"],
        regions=config["evaluation"]["regions"],
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
        fits=[*SINGLE_FITS, "oracle"],
        code=code("plot_scores"),
    script:
        "../scripts/plot_scores.py"
