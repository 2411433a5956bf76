for fit in FITS:

    # What it reads besides depends on the fit's method and relatives.
    rule:
        name:
            f"diagnose_{fit}"
        input:
            **evaluations_beside(fit),
            **({"loss": f"results/fits/{fit}/loss.csv"} if fit in SVI_FITS else {}),
            posterior=f"results/fits/{fit}/posterior.nc",
            evaluation=f"results/evaluations/{fit}.nc",
            data=datasets_of(fit),
        output:
            scores=f"results/fits/{fit}/scores.csv",
            diagnostics=f"results/fits/{fit}/diagnostics.csv",
        log:
            f"results/logs/diagnose_{fit}.log",
        benchmark:
            f"results/benchmarks/diagnose_{fit}.tsv"
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            inference={
                key: value
                for key, value in FITS[fit]["inference"].items()
                if key in ("method", "target_accept", "max_tree_depth")
            },
            reference=relatives(config, fit).get("reference"),
            learning=updating(fit),
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
    localrule: True
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
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        fits=list(FITS),
        code=code("tables"),
    script:
        "../scripts/tables.py"


# With `strict: true`, after everything else.
rule check_verdicts:
    input:
        verdicts="results/tables/verdicts.csv",
        others=[*data(), *parameters(), *predictions(), *figures()],
    output:
        touch("results/tables/verdicts.checked"),
    log:
        "results/logs/check_verdicts.log",
    benchmark:
        "results/benchmarks/check_verdicts.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code("check_verdicts"),
    script:
        "../scripts/check_verdicts.py"
