"""Floor 6: one command per workflow step."""
