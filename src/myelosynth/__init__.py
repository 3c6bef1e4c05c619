"""Predict PET-derived myelin from multisequence MRI and follow it over time."""

from importlib.metadata import version

__version__ = version("myelosynth")
