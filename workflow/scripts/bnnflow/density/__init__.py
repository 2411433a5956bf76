"""The seam: a Pyro model as a log density of one flat vector, evaluated by compiled code."""
