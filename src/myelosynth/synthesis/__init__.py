"""Floor 3: tasks, sampling, training, inference and baselines."""
