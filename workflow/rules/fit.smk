for entry, fits in plan.entries.items():
    method = plan.method(entry)
    part = method.part

    # A chain, or starts that are fitted together.
    rule:
        name:
            f"{entry}_{part}"
        input:
            unpack(of(plan.prior, entry)),
            unpack(of_data(plan.source.columns, entry)),
            data=of(plan.observed, entry),
        output:
            f"results/fits/{plan.place(entry)}/{part}s/{{{part}}}.nc",
        log:
            plan.record_of("logs", f"{entry}_{part}", entry, f"{{{part}}}"),
        benchmark:
            plan.record_of("benchmarks", f"{entry}_{part}", entry, f"{{{part}}}")
        wildcard_constraints:
            **{part: NUMBER},
            fit=plan.fits_of([entry]),
        priority: method.priority
        conda:
            "../../envs/torch.yaml"
        resources:
            **fit_resources(entry),
        params:
            scaling=config["data"]["scaling"],
            network=of(plan.network, entry),
            settings=of(plan.settings, entry),
            seeds=part_seeds(entry),
            engine=config["engine"],
            device=of(plan.device, entry),
            torch_threads=1,
            code=code_with("infer", plan.fit_modules, entry),
        script:
            "../scripts/infer.py"

    rule:
        name:
            plan.posterior_rule(entry)
        input:
            of(plan.parts, entry),
        output:
            **posterior_files(entry),
        log:
            plan.record_of("logs", plan.posterior_rule(entry), entry),
        benchmark:
            plan.record_of("benchmarks", plan.posterior_rule(entry), entry)
        wildcard_constraints:
            fit=plan.fits_of([entry]),
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            fit=of(str, entry),
            fitted=of(plan.fitted, entry),
            settings=of(plan.combined_by, entry),
            code=code_with("combine", plan.method_modules, entry),
        script:
            "../scripts/combine.py"

    if entry in plan.groups:

        # All fits of a group: `snakemake <entry>`.
        rule:
            name:
                entry
            input:
                expand("results/fits/{fit}/posterior.nc", fit=fits),
