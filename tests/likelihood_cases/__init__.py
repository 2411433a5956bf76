"""For every likelihood a module: settings worth a look, levels of targets, SciPy's distribution."""
