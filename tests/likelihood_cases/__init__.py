"""For every likelihood a module of its name: settings worth a look, and SciPy's distribution."""
