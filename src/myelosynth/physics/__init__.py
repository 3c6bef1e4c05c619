"""Floor 2: signal and tracer models, plain arrays in and out."""
