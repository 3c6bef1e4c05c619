"""Floor 2: names, sidecars and the cohort."""
