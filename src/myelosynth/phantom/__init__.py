"""Floor 3: the simulated cohort."""
