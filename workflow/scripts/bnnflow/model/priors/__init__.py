"""Priors of the weights, one a file: its settings, and the distribution."""
