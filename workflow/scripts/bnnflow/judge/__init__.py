"""How far a fit can be trusted: scores, diagnostics, verdicts."""
