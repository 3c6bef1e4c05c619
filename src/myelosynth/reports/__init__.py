"""Floor 5: patient and cohort pages."""
