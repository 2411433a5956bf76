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
        fit=one_of(FITS),
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
        data=lambda wildcards: dataset(FITS[wildcards.fit]["data"]),
        style=style(),
    output:
        **drawn("{fit}_loss", "loss", "2. Fits", fit="{fit}", shows="loss"),
    log:
        "results/logs/plot_loss/{fit}.log",
    benchmark:
        "results/benchmarks/plot_loss/{fit}.tsv"
    wildcard_constraints:
        fit=one_of(SVI_FITS),
    conda:
        "../../envs/base.yaml"
    params:
        title=lambda wildcards: FITS[wildcards.fit]["title"],
        code=code("plot_loss"),
    script:
        "../scripts/plot_loss.py"


# An updated fit beside the one whose posterior is its prior.
rule plot_update:
    input:
        predictions=lambda wildcards: expand(
            "results/predictions/{fit}.nc", fit=lineage(FITS, wildcards.fit)[-2:]
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
        fit=one_of(UPDATED_FITS),
    conda:
        "../../envs/base.yaml"
    params:
        panels=lambda wildcards: panels(lineage(FITS, wildcards.fit)[-2:], data_of([wildcards.fit])),
        observations=lambda wildcards: data_of([wildcards.fit]),
        frame=frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"


rule plot_all_fits:
    input:
        predictions=predictions(),
        observations=list(map(dataset, data_of(FITS))),
        truth=dataset("truth"),
        style=style(),
    output:
        **drawn("all_fits", "all_fits", "3. Comparisons", figure="all fits"),
    log:
        "results/logs/plot_all_fits.log",
    benchmark:
        "results/benchmarks/plot_all_fits.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        panels=panels(FITS),
        observations=data_of(FITS),
        frame=frame(),
        code=code("plot_fits"),
    script:
        "../scripts/plot_fits.py"
