"""Floor 4: the configuration of one study, its roster and its check."""
