"""The model: network, prior, likelihood."""
