"""Likelihoods, one a file: its settings, its sample statements, and its distributions."""
