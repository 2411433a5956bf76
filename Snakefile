from snakemake.utils import min_version

min_version("9.15")


report: "workflow/report/workflow.rst"


include: "workflow/rules/config.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/manifest.smk"


if plan.source.simulated:

    include: "workflow/rules/simulated.smk"

else:

    include: "workflow/rules/table.smk"


rule all:
    default_target: True
    input:
        everything(),


# Regenerates every picture from stored results: `snakemake figures`.
rule figures:
    input:
        plan.figures(),


# All data sets: `snakemake generate_data`.
rule generate_data:
    input:
        plan.datasets(),


# The parameters of every variational fit: `snakemake extract_parameters`.
rule extract_parameters:
    input:
        plan.parameters(),


# After a failure; not of `snakemake verify`, which makes nothing that could be shown.
onerror:
    if not VERIFIES:
        tell_what_there_is()


onsuccess:
    rmtree(PARTIAL, ignore_errors=True)
