"""Floor 2: networks and losses, pure torch."""
