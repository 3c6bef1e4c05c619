"""Commands: study."""
