"""Importing this module registers every command; each command imports its heavy libraries when it runs."""

from myelosynth.cli import imaging, learning, maps, myelin, pages, study  # noqa: F401
