rule manifest:
    input:
        plan.results(),
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
        given=spelled_out(GIVEN, config),
        seeds=plan.seeds(),
        devices=plan.devices(),
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
        print(told_of_verification(Path(log[0])))
