for entry, fits in plan.entries.items():
    part, made = plan.method(entry).part, plan.part(entry)

    # A chain, or starts that are fitted together.
    rule:
        name:
            f"{entry}_{part}"
        input:
            unpack(of(plan.prior, entry)),
            data=of(plan.observed, entry),
        output:
            f"results/fits/{plan.place(entry)}/{part}s/{{{part}}}.nc",
        log:
            plan.record("logs", f"{entry}_{part}", entry, f"{{{part}}}"),
        benchmark:
            plan.record("benchmarks", f"{entry}_{part}", entry, f"{{{part}}}")
        wildcard_constraints:
            **{part: NUMBER},
            fit=plan.fits_of([entry]),
        priority: made.priority
        conda:
            "../../envs/torch.yaml"
        resources:
            **fit_resources(entry),
        params:
            columns=plan.columns,
            network=of(plan.network, entry),
            settings=of(plan.settings, entry),
            seeds=part_seeds(entry),
            engine=config["engine"],
            device=of(plan.device, entry),
            torch_threads=1,
            script=made.makes,
            code=code_with(made.makes, plan.fit_modules, entry),
        script:
            "../scripts/{params.script}.py"

    rule:
        name:
            plan.posterior_rule(entry)
        input:
            of(plan.parts, entry),
        output:
            **posterior_files(entry),
        log:
            plan.record("logs", plan.posterior_rule(entry), entry),
        benchmark:
            plan.record("benchmarks", plan.posterior_rule(entry), entry)
        wildcard_constraints:
            fit=plan.fits_of([entry]),
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            fit=of(str, entry),
            settings=of(plan.combined_by, entry),
            script=made.combines,
            code=code(made.combines),
        script:
            "../scripts/{params.script}.py"

    if entry in plan.groups:

        # All fits of a group: `snakemake <entry>`.
        rule:
            name:
                entry
            input:
                expand("results/fits/{fit}/posterior.nc", fit=fits),
