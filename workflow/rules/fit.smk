for fit in NUTS_FITS:

    rule:
        name:
            f"{fit}_chain"
        input:
            **prior_input(fit),
            data=datasets_of(fit),
        output:
            f"results/fits/{fit}/chains/{{chain}}.nc",
        log:
            f"results/logs/{fit}_chain/{{chain}}.log",
        benchmark:
            f"results/benchmarks/{fit}_chain/{{chain}}.tsv"
        wildcard_constraints:
            chain=NUMBER,
        # The longest jobs first: everything else waits for them.
        priority: 2
        conda:
            "../../envs/torch.yaml"
        resources:
            **fit_resources(fit),
        params:
            network=network(fit),
            sampler=settings(fit, "method", "chains", "seed"),
            seed=lambda wildcards, fit=fit: seed(fit, int(wildcards.chain)),
            engine=config["engine"],
            torch_threads=1,
            code=code("sample_chain"),
        script:
            "../scripts/sample_chain.py"

    rule:
        name:
            fit
        input:
            expand(
                "results/fits/{fit}/chains/{chain}.nc",
                fit=fit,
                chain=range(settings(fit)["chains"]),
            ),
        output:
            f"results/fits/{fit}/posterior.nc",
        log:
            f"results/logs/{fit}.log",
        benchmark:
            f"results/benchmarks/{fit}.tsv"
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            code=code("merge_chains"),
        script:
            "../scripts/merge_chains.py"


for fit in SVI_FITS:

    rule:
        name:
            f"{fit}_start"
        input:
            **prior_input(fit),
            data=datasets_of(fit),
        output:
            f"results/fits/{fit}/starts/{{start}}.nc",
        log:
            f"results/logs/{fit}_start/{{start}}.log",
        benchmark:
            f"results/benchmarks/{fit}_start/{{start}}.tsv"
        wildcard_constraints:
            start=NUMBER,
        # Before figures of other fits.
        priority: 1
        conda:
            "../../envs/torch.yaml"
        resources:
            **fit_resources(fit),
        params:
            network=network(fit),
            optimization=settings(fit, "method", "starts", "starts_per_job", "draws", "seed"),
            draws=settings(fit)["draws"],
            seeds=lambda wildcards, fit=fit: start_seeds(fit, int(wildcards.start)),
            engine=config["engine"],
            torch_threads=1,
            code=code("fit_start"),
        script:
            "../scripts/fit_start.py"

    rule:
        name:
            fit
        input:
            expand(
                "results/fits/{fit}/starts/{start}.nc",
                fit=fit,
                start=range(0, settings(fit)["starts"], settings(fit)["starts_per_job"]),
            ),
        output:
            posterior=f"results/fits/{fit}/posterior.nc",
            guide=f"results/fits/{fit}/guide.safetensors",
            loss=f"results/fits/{fit}/loss.csv",
        log:
            f"results/logs/{fit}.log",
        benchmark:
            f"results/benchmarks/{fit}.tsv"
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            learning_rate=settings(fit)["learning_rate"],
            code=code("choose_start"),
        script:
            "../scripts/choose_start.py"

    rule:
        name:
            f"extract_parameters_{fit}"
        input:
            guide=f"results/fits/{fit}/guide.safetensors",
        output:
            tensors=f"results/fits/{fit}/parameters.safetensors",
            table=report(
                f"results/fits/{fit}/parameters.csv",
                category="4. Parameters",
                labels={"fit": fit},
                caption="../report/parameters.rst",
            ),
        log:
            f"results/logs/extract_parameters_{fit}.log",
        benchmark:
            f"results/benchmarks/extract_parameters_{fit}.tsv"
        localrule: True
        conda:
            "../../envs/base.yaml"
        params:
            fit=fit,
            code=code("extract_parameters"),
        script:
            "../scripts/extract_parameters.py"
