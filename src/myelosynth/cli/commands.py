"""Importing this module registers every command; each command imports its heavy libraries when it runs."""

from myelosynth.cli import (  # noqa: F401
    bundle,
    clinical,
    crate,
    curve,
    distortion,
    evaluation,
    geometry,
    imaging,
    intervals,
    learning,
    lesions,
    maps,
    myelin,
    null,
    pages,
    phantom,
    prediction,
    study,
    workflow,
)
