"""Training that can be killed and resumed, and prediction of whole volumes."""
