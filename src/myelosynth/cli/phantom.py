"""Commands: phantom."""
