"""Predictive distributions of a posterior."""
