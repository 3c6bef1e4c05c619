"""What the pages ask for."""


def shown_lesions(w):
    """The tables of a patient's lesions by both kinds of maps on the page."""
    shown = {
        layout.lesion_table(system, w.sub, ses)
        for system in ("true", study.learning.main)
        for ses in (BASELINE, FOLLOW_UP)
    }
    return [path for path in lesion_tables() if path in shown]


def shown_nulls(w):
    """The null of a patient's indices, measured and predicted, where there is one."""
    return [
        layout.index_null(system, w.sub, FOLLOW_UP)
        for system in ("true", study.learning.main)
        if system in WITH_NULL and w.sub in null_followed(system)
    ]
