"""Floor 1: grids, volumes, transforms and atomic files."""
