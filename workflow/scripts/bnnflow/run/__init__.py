"""A run of the workflow: its plan, resources, provenance, manifest and verification."""
