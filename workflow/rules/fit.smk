for entry, fits in plan.entries.items():
    method = plan.method(entry)
    part = method.part

    # What an update carries of its source.
    if updates.remembers(plan, entry):

        rule:
            name:
                f"{entry}_memory"
            input:
                unpack(of(partial(updates.remembered, plan), entry)),
                unpack(of_data(plan.source.columns, entry)),
            output:
                f"results/fits/{plan.place(entry)}/{MEMORY}",
            log:
                plan.record_of("logs", f"{entry}_memory", entry),
            benchmark:
                plan.record_of("benchmarks", f"{entry}_memory", entry)
            wildcard_constraints:
                fit=plan.fits_of([entry]),
            priority: method.priority
            conda:
                "../../envs/torch.yaml"
            resources:
                **by_attempt(plan.prediction_needs, entry),
            params:
                told=of(partial(updates.memory, plan), entry),
                scaling=config["data"]["scaling"],
                torch_threads=1,
                code=code_with("remember", plan.model_modules, entry),
            script:
                "../scripts/remember.py"

    # A chain, or starts that are fitted together.
    rule:
        name:
            f"{entry}_{part}"
        input:
            unpack(of(partial(updates.prior, plan), entry)),
            unpack(of_part(asked_before, entry, part)),
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
            seeds=of_part(plan.seeds_of, entry, part),
            engine=config["engine"],
            device=of(plan.device, entry),
            torch_threads=1,
            code=code_with("infer", plan.fit_modules, entry),
        script:
            "../scripts/infer.py"

    # Whether the chains of the rounds so far suffice.
    if any(len(plan.rounds(fit)) > 1 for fit in fits):

        rule:
            name:
                f"{entry}_enough"
            input:
                points=of_data(plan.source.held_out_points, entry),
                parts=of_part(parts_before, entry, "so_far"),
            output:
                f"results/fits/{plan.place(entry)}/enough/{{so_far}}.csv",
            log:
                plan.record_of("logs", f"{entry}_enough", entry, "{so_far}"),
            benchmark:
                plan.record_of("benchmarks", f"{entry}_enough", entry, "{so_far}")
            wildcard_constraints:
                so_far=NUMBER,
                fit=plan.fits_of([entry]),
            priority: method.priority
            conda:
                "../../envs/torch.yaml"
            resources:
                **by_attempt(plan.prediction_needs, entry),
            params:
                model=of(lambda fit: plan.network(fit)["model"], entry),
                settings=of(plan.combined_by, entry),
                limits={name: config["diagnostics"][name] for name in BY_CHAINS},
                torch_threads=1,
                code=code_with("enough", plan.response_modules, entry),
            script:
                "../scripts/enough.py"

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
