from functools import partial

from bnnflow.run import captions, drawing


rule plot_data:
    input:
        **plan.source.truth,
        **plan.source.columns(plan.source.first),
        **plan.source.apart(plan.source.first),
        shown=of(plan.shown, wildcard="name"),
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
        shown=of(config["figures"]["data"].get, wildcard="name"),
        frame=plan.frame(),
        code=code("plot_data"),
    script:
        "../scripts/plot_data.py"


# What the priors of all fits mean; no posterior is needed to see it.
if drawing.priors(plan):

    rule plot_prior:
        input:
            **plan.source.columns(plan.source.first),
            observations=plan.learnt(drawing.priors(plan)),
            style=style(),
        output:
            **all_drawn(drawing.priors(plan)),
        log:
            "results/logs/plot_prior.log",
        benchmark:
            "results/benchmarks/plot_prior.tsv"
        conda:
            "../../envs/torch.yaml"
        resources:
            **by_attempt(lambda _: drawing.prior_needs(plan)),
        params:
            fits=drawing.before(plan),
            sizes=drawing.PRIOR,
            scaling=config["data"]["scaling"],
            ends=config["predictions"].get("grid", [])[:2],
            observations=plan.data_of(drawing.priors(plan)),
            sets=plan.observations,
            units=plan.source.units,
            torch_threads=1,
            code=code("plot_prior", *drawing.prior_modules(plan)),
        script:
            "../scripts/plot_prior.py"


# All figures of a fit are one job. Which they are depends on its method, and on its prior.
rule plot_sampled:
    input:
        unpack(of(partial(drawing.files, plan))),
        unpack(of_data(plan.source.columns)),
        **plan.source.truth,
        style=style(),
    output:
        **all_drawn(drawing.figures(plan, "chains", updated=False)),
    log:
        "results/logs/plot_sampled/{fit}.log",
    benchmark:
        "results/benchmarks/plot_sampled/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(drawing.entries_with(plan, "chains", updated=False)),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        panels=of(partial(drawing.panels, plan)),
        told=of(partial(drawing.told, plan)),
        caption=of(partial(captions.of_fit, plan)),
        limits=config["diagnostics"]["elbo_drift"],
        frame=plan.frame(),
        code=code("plot_fit"),
    script:
        "../scripts/plot_fit.py"


use rule plot_sampled as plot_variational with:
    output:
        **all_drawn(drawing.figures(plan, "loss", updated=False)),
    log:
        "results/logs/plot_variational/{fit}.log",
    benchmark:
        "results/benchmarks/plot_variational/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(drawing.entries_with(plan, "loss", updated=False)),
    localrule: True


use rule plot_sampled as plot_sampled_update with:
    output:
        **all_drawn(drawing.figures(plan, "chains", updated=True)),
    log:
        "results/logs/plot_sampled_update/{fit}.log",
    benchmark:
        "results/benchmarks/plot_sampled_update/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(drawing.entries_with(plan, "chains", updated=True)),
    localrule: True


use rule plot_sampled as plot_variational_update with:
    output:
        **all_drawn(drawing.figures(plan, "loss", updated=True)),
    log:
        "results/logs/plot_variational_update/{fit}.log",
    benchmark:
        "results/benchmarks/plot_variational_update/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(drawing.entries_with(plan, "loss", updated=True)),
    localrule: True


# Of a method that leaves neither trajectories nor a loss.
use rule plot_sampled as plot_fit with:
    output:
        **all_drawn(drawing.figures(plan, None, updated=False)),
    log:
        "results/logs/plot_fit/{fit}.log",
    benchmark:
        "results/benchmarks/plot_fit/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(drawing.entries_with(plan, None, updated=False)),
    localrule: True


use rule plot_sampled as plot_fit_update with:
    output:
        **all_drawn(drawing.figures(plan, None, updated=True)),
    log:
        "results/logs/plot_fit_update/{fit}.log",
    benchmark:
        "results/benchmarks/plot_fit_update/{fit}.tsv"
    wildcard_constraints:
        fit=plan.fits_of(drawing.entries_with(plan, None, updated=True)),
    localrule: True


# All fits of a group, and the spread of their scores.
rule plot_group:
    input:
        **plan.source.truth,
        **plan.source.columns(plan.source.first),
        predictions=of(
            lambda group: expand("results/predictions/{fit}.nc", fit=plan.entries[group]),
            wildcard="group",
        ),
        metrics="results/tables/metrics.csv",
        verdicts="results/tables/verdicts.csv",
        observations=of(lambda group: plan.learnt(drawing.shown_of(plan, group)), wildcard="group"),
        style=style(),
    output:
        **drawn("{group}", "group", "2. Fits", fit="{group}", shows="group"),
    log:
        "results/logs/plot_group/{group}.log",
    benchmark:
        "results/benchmarks/plot_group/{group}.tsv"
    wildcard_constraints:
        group=one_of(plan.groups),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        title=of(lambda group: plan.groups[group]["title"], wildcard="group"),
        cells=of(lambda group: plan.groups[group]["cells"], wildcard="group"),
        observations=of(lambda group: plan.data_of(drawing.shown_of(plan, group)), wildcard="group"),
        frame=plan.frame(),
        code=code("plot_group"),
    script:
        "../scripts/plot_group.py"


rule plot_comparisons:
    input:
        **plan.source.truth,
        **plan.source.columns(plan.source.first),
        **drawing.evaluations(plan, plan.single),
        **({"groups": "results/tables/groups.csv"} if config["splits"] else {}),
        predictions=expand("results/predictions/{fit}.nc", fit=plan.single),
        diagnostics=expand("results/fits/{fit}/diagnostics.csv", fit=plan.single),
        observations=plan.learnt(plan.single),
        metrics="results/tables/metrics.csv",
        verdicts="results/tables/verdicts.csv",
        style=style(),
    output:
        **all_drawn(drawing.comparisons(plan)),
    log:
        "results/logs/plot_comparisons.log",
    benchmark:
        "results/benchmarks/plot_comparisons.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        fits=plan.single,
        panels=plan.panels(plan.single),
        observations=plan.data_of(plan.single),
        frame=plan.frame(),
        code=code("plot_comparisons"),
    script:
        "../scripts/plot_comparisons.py"
