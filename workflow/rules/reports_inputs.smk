"""What the pages ask for."""


def session_derivatives(sub, ses):
    """Preprocessed images of one session: what it has decides."""
    files = [layout.label_mask(sub, ses, "WM"), layout.csf_distance(sub, ses)]
    files += [
        layout.transform(sub, ses, image, "T1w")
        for image in roster.registered(sub, ses)
    ]
    files += [
        layout.anat(sub, ses, image, space="T1w")
        for image in ("T2w", "FLAIR")
        if roster.index.has(sub, ses, image)
    ]
    files += [
        native_map(sub, ses, name) for name in NATIVE if roster.has_map(sub, ses, name)
    ]
    # A follow-up DVR by itself is of no use: it has no analysis grid to lie on.
    if roster.has_map(sub, ses, TARGET) and (
        ses == BASELINE or roster.follows_baseline(sub, ses)
    ):
        files.append(native_map(sub, ses, TARGET))
    if roster.follows_baseline(sub, ses):
        files.append(layout.transform(sub, ses, f"T1w{ses}", "T1wt0"))
        # The page outlines the white matter that the follow-up was moved to.
        files.append(layout.label_mask(sub, BASELINE, "WM"))
    if roster.has_lesions(sub):
        files.append(layout.label_mask(sub, ses, "NAWM"))
    return files


def shown_maps(w):
    """Both kinds of maps of the patient; those of others are behind the tables of the page."""
    shown = [maps_by_patient(system) for system in ("true", study.learning.main)]
    return [path for maps in shown for path in maps.get(w.sub, [])]


def shown_lesions(w):
    """The tables of a patient's lesions by both kinds of maps on the page."""
    shown = [lesion_table_of(system) for system in ("true", study.learning.main)]
    return [tables[w.sub] for tables in shown if w.sub in tables]


def shown_nulls(w):
    """The null of a patient's indices, measured and predicted, where there is one."""
    return [
        layout.index_null(system, w.sub, FOLLOW_UP)
        for system in ("true", study.learning.main)
        if system in WITH_NULL and w.sub in null_followed(system)
    ]
