"""The front page of the report."""
