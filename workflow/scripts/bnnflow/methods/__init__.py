"""Methods of inference, one a file: its settings, what it declares, and what it does."""
