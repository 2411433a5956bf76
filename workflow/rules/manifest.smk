rule manifest:
    input:
        results(),
    output:
        "results/manifest.json",
    log:
        "results/logs/manifest.log",
    benchmark:
        "results/benchmarks/manifest.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        given=GIVEN,
        seeds=seeds(),
        devices=devices(),
        code=code("manifest"),
    script:
        "../scripts/manifest.py"


# Makes the results of results/manifest.json again in a folder of their own and compares:
# `snakemake verify`. The manifest is no input, so that nothing is brought up to date before.
rule verify:
    log:
        "results/logs/verify.log",
    localrule: True
    run:
        print(verified(Path(log[0])))
