"""Every system that predicts the target, and the registry that names them."""
