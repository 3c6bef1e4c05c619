"""Input functions of ready masks and maps, and of everything that a ready map may take the place of."""


def has_raw(w):
    """Whether the raw image behind a transform is there."""
    contrast = {"b0": "DWI", "petref": "PET"}.get(MOVING[w.image], MOVING[w.image])
    return roster.index.has(w.sub, w.ses, contrast)


def native_map(sub, ses, name):
    """A map on its own grid: the ready one, or the one that a step makes; the baseline DVR's is the analysis grid."""
    if (name, ses) == (TARGET, BASELINE):
        return layout.source(sub, ses, name)
    native = f"ready/{name}" if roster.index.has(sub, ses, name) else MAPS[name][1]
    return layout.work(sub, ses, f"{native}.nii.gz")


def map_steps(sub, ses, name):
    """Transforms from a map's own space to the T1w; none for one that is ready in T1w space."""
    if not roster.follows_transform(sub, ses, name):
        return []
    return [layout.transform(sub, ses, MAPS[name][0], "T1w")]


def map_image(name):
    """Input function: a map on its own grid."""
    return lambda w: native_map(w.sub, w.ses, name)


def map_to_t1w(name):
    """Input function: transforms of a map to the T1w."""
    return lambda w: map_steps(w.sub, w.ses, name)


def map_to_grid(name):
    """Input function: transforms of a map to the analysis grid."""
    return lambda w: [
        *map_steps(w.sub, w.ses, name),
        layout.transform(w.sub, w.ses, "T1w", layout.space),
    ]


def ready_file(kind):
    """Input function: the file of a kind that the data set gives."""
    return lambda w: roster.index.path(w.sub, w.ses, kind)


def reference_steps(w):
    """Transforms behind the ready reference region: none on the PET's grid, the PET's for one drawn on the T1w."""
    drawn_on_t1w = in_t1w(roster.index.path(w.sub, w.ses, "reference"))
    return [layout.transform(w.sub, w.ses, "PET", "T1w")] if drawn_on_t1w else []


def with_ready(kind):
    """Constraint of `sub` in paths sub-{sub}/ses-{ses}/...: sessions for which a kind is ready."""
    return (
        "|".join(f"{sub}(?=/ses-{ses}/)" for sub, ses in roster.ready(kind)) or "(?!)"
    )


def without_ready(kind):
    """The other sessions."""
    given = "|".join(f"{sub}/ses-{ses}/" for sub, ses in roster.ready(kind)) or "(?!)"
    return f"(?!{given})[0-9A-Za-z]+"


def registered_map(w):
    """The ready map that is registered itself, its raw image being absent: the first one of its own space."""
    return next(
        name
        for name, (image, _) in MAPS.items()
        if image == w.image
        and roster.index.has(w.sub, w.ses, name)
        and roster.follows_transform(w.sub, w.ses, name)
    )
