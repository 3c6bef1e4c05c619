"""What the pages ask for."""


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
