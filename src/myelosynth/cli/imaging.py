"""Commands: imaging."""
