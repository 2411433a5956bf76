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


# Makes all results again in a folder of their own and compares: `snakemake verify`.
rule verify:
    input:
        "results/manifest.json",
    log:
        "results/logs/verify.log",
    localrule: True
    threads: lambda wildcards: workflow.cores or 1
    run:
        found = verified(input[0], threads)
        Path(log[0]).write_text(f"{found}\n")
        print(found)
