"""Tables of observations, regions of them, and the tutorial's own data."""
