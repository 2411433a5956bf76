for entry, fits in plan.entries.items():

    # What it reads besides depends on the fit's method and relatives.
    rule:
        name:
            f"diagnose_{entry}"
        input:
            unpack(of(plan.beside, entry)),
            unpack(of_data(plan.source.columns, entry)),
            unpack(of_data(plan.source.baselines, entry)),
            posterior=f"results/fits/{plan.place(entry)}/posterior.nc",
            evaluation=f"results/evaluations/{plan.place(entry)}.nc",
            data=of(plan.observed, entry),
        output:
            scores=f"results/fits/{plan.place(entry)}/scores.csv",
            diagnostics=f"results/fits/{plan.place(entry)}/diagnostics.csv",
        log:
            plan.record_of("logs", f"diagnose_{entry}", entry),
        benchmark:
            plan.record_of("benchmarks", f"diagnose_{entry}", entry)
        wildcard_constraints:
            fit=plan.fits_of([entry]),
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            inference=of(plan.judged_by, entry),
            leaves=of(plan.leaves, entry),
            likelihood=of(plan.likelihood, entry),
            beside=of(plan.relatives.get, entry),
            learning=of(partial(updates.learning, plan), entry),
            limits=config["diagnostics"],
            code=code("diagnose"),
        script:
            "../scripts/diagnose.py"


if plan.source.knows_process:

    rule evaluate_oracle:
        input:
            points=plan.source.held_out_points(plan.source.place),
        output:
            scores=plan.source.scores_of(ORACLE, plan.source.place),
            rows=plan.source.rows_of(ORACLE, plan.source.place),
        log:
            plan.record_by_split("logs", "evaluate_oracle"),
        benchmark:
            plan.record_by_split("benchmarks", "evaluate_oracle")
        wildcard_constraints:
            split=one_of(plan.source.splits),
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            noise=config["data"].get("noise"),
            code=code("evaluate_oracle"),
        script:
            "../scripts/evaluate_oracle.py"


# The line is the least that a fit should beat; it learns from all sets from which any fit does.
rule evaluate_baselines:
    input:
        unpack(of_split(plan.source.columns)),
        points=plan.source.held_out_points(plan.source.place),
        training=of_split(lambda split: plan.learnt(plan.of_split(plan.fits, split))),
    output:
        **{name: plan.source.scores_of(name, plan.source.place) for name in BASELINES},
        **{f"{name}_rows": plan.source.rows_of(name, plan.source.place) for name in BASELINES},
    log:
        plan.record_by_split("logs", "evaluate_baselines"),
    benchmark:
        plan.record_by_split("benchmarks", "evaluate_baselines")
    wildcard_constraints:
        split=one_of(plan.source.splits),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        seed=of_split(plan.source.baselines_seed),
        code=code("evaluate_baselines"),
    script:
        "../scripts/evaluate_baselines.py"


rule tables:
    input:
        **plan.source.columns_of_splits,
        **plan.rows(),
        references=plan.source.references.values(),
        scores=expand("results/fits/{fit}/scores.csv", fit=plan.fits),
        diagnostics=expand("results/fits/{fit}/diagnostics.csv", fit=plan.fits),
    output:
        **compared(),
        metrics=report(
            "results/tables/metrics.csv",
            category="4. Trust",
            labels={"table": "scores"},
            caption="../report/metrics.rst",
        ),
        diagnostics=report(
            "results/tables/diagnostics.csv",
            category="4. Trust",
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
        fits=list(plan.fits),
        references=plan.source.references_by_split,
        splits=config["splits"],
        groups={name: group["cells"] for name, group in plan.groups.items()},
        code=code("tables"),
    script:
        "../scripts/tables.py"


# With `strict: true`, after everything else.
rule check_verdicts:
    input:
        verdicts="results/tables/verdicts.csv",
        others=plan.results(),
        manifest="results/manifest.json",
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
