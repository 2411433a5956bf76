"""The config: what users may set, checked and completed before any job starts."""
