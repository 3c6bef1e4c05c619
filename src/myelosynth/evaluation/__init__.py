"""Floor 4: image metrics, agreement, clinical regression."""
