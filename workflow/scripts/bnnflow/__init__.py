"""Bayesian neural networks with Pyro as a Snakemake workflow."""
