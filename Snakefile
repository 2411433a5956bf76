from snakemake.utils import min_version

min_version("9.15")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/figures.smk"


rule all:
    default_target: True
    input:
        posteriors=posteriors(),
        parameters=parameters(),
        predictions=predictions(),
        figures=figures(),


# Regenerates every picture from stored results: `snakemake figures`.
rule figures:
    input:
        figures(),


# The table of every variational fit: `snakemake extract_parameters`.
rule extract_parameters:
    input:
        parameters(),
