"""Inference: each method ends in draws of the posterior."""
