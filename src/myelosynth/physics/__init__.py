"""Floor 2: forward and inverse models of PET kinetics, diffusion and magnetisation transfer."""
