for entry, fits in ENTRIES.items():

    if not is_svi(fits[0]):

        rule:
            name:
                f"{entry}_chain"
            input:
                unpack(of_fit(prior_input, entry)),
                data=of_fit(datasets_of, entry),
            output:
                f"results/fits/{place_of(entry)}/chains/{{chain}}.nc",
            log:
                record("logs", f"{entry}_chain", entry, "{chain}"),
            benchmark:
                record("benchmarks", f"{entry}_chain", entry, "{chain}")
            wildcard_constraints:
                fit=fit_of([entry]),
                chain=NUMBER,
            # The longest jobs first: everything else waits for them.
            priority: 2
            conda:
                "../../envs/torch.yaml"
            resources:
                **fit_resources(entry),
            params:
                network=of_fit(network, entry),
                sampler=of_fit(settings("method", "chains", "seed", "device"), entry),
                seed=lambda wildcards, entry=entry: seed(
                    wildcards.get("fit", entry), int(wildcards.chain)
                ),
                engine=config["engine"],
                device=of_fit(device_of, entry),
                torch_threads=1,
                code=code("sample_chain"),
            script:
                "../scripts/sample_chain.py"

        rule:
            name:
                posterior_rule(entry)
            input:
                of_fit(chains_of, entry),
            output:
                f"results/fits/{place_of(entry)}/posterior.nc",
            log:
                record("logs", posterior_rule(entry), entry),
            benchmark:
                record("benchmarks", posterior_rule(entry), entry)
            wildcard_constraints:
                fit=fit_of([entry]),
            localrule: True
            conda:
                "../../envs/base.yaml"
            params:
                code=code("merge_chains"),
            script:
                "../scripts/merge_chains.py"

    else:

        rule:
            name:
                f"{entry}_start"
            input:
                unpack(of_fit(prior_input, entry)),
                data=of_fit(datasets_of, entry),
            output:
                f"results/fits/{place_of(entry)}/starts/{{start}}.nc",
            log:
                record("logs", f"{entry}_start", entry, "{start}"),
            benchmark:
                record("benchmarks", f"{entry}_start", entry, "{start}")
            wildcard_constraints:
                fit=fit_of([entry]),
                start=NUMBER,
            # Before figures of other fits.
            priority: 1
            conda:
                "../../envs/torch.yaml"
            resources:
                **fit_resources(entry),
            params:
                network=of_fit(network, entry),
                optimization=of_fit(
                    settings("method", "starts", "starts_per_job", "draws", "seed", "device"),
                    entry,
                ),
                draws=of_fit(lambda fit: FITS[fit]["inference"]["draws"], entry),
                seeds=lambda wildcards, entry=entry: start_seeds(
                    wildcards.get("fit", entry), int(wildcards.start)
                ),
                engine=config["engine"],
                device=of_fit(device_of, entry),
                torch_threads=1,
                code=code("fit_start"),
            script:
                "../scripts/fit_start.py"

        rule:
            name:
                posterior_rule(entry)
            input:
                of_fit(starts_of, entry),
            output:
                posterior=f"results/fits/{place_of(entry)}/posterior.nc",
                guide=f"results/fits/{place_of(entry)}/guide.safetensors",
                loss=f"results/fits/{place_of(entry)}/loss.csv",
            log:
                record("logs", posterior_rule(entry), entry),
            benchmark:
                record("benchmarks", posterior_rule(entry), entry)
            wildcard_constraints:
                fit=fit_of([entry]),
            localrule: True
            conda:
                "../../envs/base.yaml"
            params:
                learning_rate=of_fit(lambda fit: FITS[fit]["inference"]["learning_rate"], entry),
                code=code("choose_start"),
            script:
                "../scripts/choose_start.py"

        rule:
            name:
                f"extract_parameters_{entry}"
            input:
                guide=f"results/fits/{place_of(entry)}/guide.safetensors",
            output:
                tensors=f"results/fits/{place_of(entry)}/parameters.safetensors",
                table=report(
                    f"results/fits/{place_of(entry)}/parameters.csv",
                    category="4. Parameters",
                    labels={"fit": place_of(entry)},
                    caption="../report/parameters.rst",
                ),
            log:
                record("logs", f"extract_parameters_{entry}", entry),
            benchmark:
                record("benchmarks", f"extract_parameters_{entry}", entry)
            wildcard_constraints:
                fit=fit_of([entry]),
            localrule: True
            conda:
                "../../envs/base.yaml"
            params:
                fit=of_fit(str, entry),
                code=code("extract_parameters"),
            script:
                "../scripts/extract_parameters.py"

    if entry in GROUPS:

        # All fits of a group: `snakemake <entry>`.
        rule:
            name:
                entry
            input:
                expand("results/fits/{fit}/posterior.nc", fit=fits),
