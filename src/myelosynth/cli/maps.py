"""Commands: maps."""
