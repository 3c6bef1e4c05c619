"""Commands: myelin."""
