"""Floor 3: control curve, demyelination maps, change classes and indices."""
