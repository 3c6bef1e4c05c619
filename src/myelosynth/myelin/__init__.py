"""Floor 3: control curve, demyelination maps and indices of myelin change (wei2020, section 2.5)."""
