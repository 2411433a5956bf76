for entry, fits in ENTRIES.items():

    # What it reads besides depends on the fit's method and relatives.
    rule:
        name:
            f"diagnose_{entry}"
        input:
            unpack(of_fit(read_beside, entry)),
            posterior=f"results/fits/{place_of(entry)}/posterior.nc",
            evaluation=f"results/evaluations/{place_of(entry)}.nc",
            data=of_fit(datasets_of, entry),
        output:
            scores=f"results/fits/{place_of(entry)}/scores.csv",
            diagnostics=f"results/fits/{place_of(entry)}/diagnostics.csv",
        log:
            record("logs", f"diagnose_{entry}", entry),
        benchmark:
            record("benchmarks", f"diagnose_{entry}", entry)
        wildcard_constraints:
            fit=fit_of([entry]),
        conda:
            "../../envs/base.yaml"
        params:
            inference=of_fit(judged_by, entry),
            beside=of_fit(RELATIVES.get, entry),
            learning=of_fit(updating, entry),
            regions=config["evaluation"]["regions"],
            limits=config["diagnostics"],
            code=code("diagnose"),
        script:
            "../scripts/diagnose.py"


rule evaluate_oracle:
    input:
        held_out=dataset("held_out"),
    output:
        "results/evaluations/oracle.csv",
    log:
        "results/logs/evaluate_oracle.log",
    benchmark:
        "results/benchmarks/evaluate_oracle.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        noise=config["data"]["noise"],
        regions=config["evaluation"]["regions"],
        code=code("evaluate_oracle"),
    script:
        "../scripts/evaluate_oracle.py"


rule tables:
    input:
        scores=expand("results/fits/{fit}/scores.csv", fit=FITS),
        oracle="results/evaluations/oracle.csv",
        diagnostics=expand("results/fits/{fit}/diagnostics.csv", fit=FITS),
    output:
        **groups_table(),
        metrics=report(
            "results/tables/metrics.csv",
            category="5. Trust",
            labels={"table": "scores"},
            caption="../report/metrics.rst",
        ),
        diagnostics=report(
            "results/tables/diagnostics.csv",
            category="5. Trust",
            labels={"table": "diagnostics"},
            caption="../report/diagnostics.rst",
        ),
        verdicts="results/tables/verdicts.csv",
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        fits=list(FITS),
        groups={name: group["cells"] for name, group in GROUPS.items()},
        code=code("tables"),
    script:
        "../scripts/tables.py"


# With `strict: true`, after everything else.
rule check_verdicts:
    input:
        verdicts="results/tables/verdicts.csv",
        others=results(),
        manifest="results/manifest.json",
    output:
        touch("results/tables/verdicts.checked"),
    log:
        "results/logs/check_verdicts.log",
    benchmark:
        "results/benchmarks/check_verdicts.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        code=code("check_verdicts"),
    script:
        "../scripts/check_verdicts.py"
