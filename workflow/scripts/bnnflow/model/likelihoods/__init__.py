"""Likelihoods, one a file."""
