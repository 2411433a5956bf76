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
            chain=r"0|[1-9]\d*",
        # The longest jobs first: everything else waits for them.
        priority: 2
        conda:
            "../../envs/torch.yaml"
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
        conda:
            "../../envs/base.yaml"
        params:
            code=code("merge_chains"),
        script:
            "../scripts/merge_chains.py"


for fit in SVI_FITS:

    rule:
        name:
            fit
        input:
            **prior_input(fit),
            data=datasets_of(fit),
        output:
            posterior=f"results/fits/{fit}/posterior.nc",
            guide=f"results/fits/{fit}/guide.safetensors",
            loss=f"results/fits/{fit}/loss.csv",
        log:
            f"results/logs/{fit}.log",
        benchmark:
            f"results/benchmarks/{fit}.tsv"
        # Before figures of other fits.
        priority: 1
        conda:
            "../../envs/torch.yaml"
        params:
            network=network(fit),
            optimization=settings(fit, "method", "starts", "draws", "seed"),
            draws=settings(fit)["draws"],
            seeds=[seed(fit), *(seed(fit, start) for start in range(1, settings(fit)["starts"]))],
            engine=config["engine"],
            torch_threads=1,
            code=code("fit_svi"),
        script:
            "../scripts/fit_svi.py"

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
        conda:
            "../../envs/base.yaml"
        params:
            fit=fit,
            code=code("extract_parameters"),
        script:
            "../scripts/extract_parameters.py"
