"""The figures and their style."""
