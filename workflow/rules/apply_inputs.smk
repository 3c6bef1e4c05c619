"""What the rules of a bundle ask for."""


def applied_sources(w):
    """Files that a prediction is made from, by the names of the bundle; optional sources where the session has them."""
    return {
        name: (
            layout.transform(w.sub, BASELINE, "T1w", "MNI152")
            if name == TEMPLATE
            else layout.source(w.sub, w.ses, name)
        )
        for name in applied.inputs
        if name == TEMPLATE or roster.has_map(w.sub, w.ses, name)
    }


@cache
def sessions_applied_to():
    """Sessions that the bundle is applied to, by participant."""
    found = {}
    for sub, ses in roster.applicable:
        found.setdefault(sub, []).append(ses)
    return found


def applied_sessions(sub):
    return sessions_applied_to().get(sub, [])


def unchanged_pairs():
    """Participants with lesions and both sessions: what differs between their predictions is noise."""
    both = [
        sub for sub in dict(roster.applicable) if FOLLOW_UP in applied_sessions(sub)
    ]
    pairs = [sub for sub in both if roster.has_lesions(sub)]
    if study.apply.unchanged and not pairs:
        values = f"{len(both)} participants have both sessions, none of them lesions"
        cure = "add lesion masks, or leave --unchanged out"
        fault = InputError("nobody to make a null of", raw.root, values, cure)
        raise SystemExit(f"error: {fault}")
    return pairs


def applied_maps(sub):
    """Predictions of a participant; with lesions also demyelinated voxels, with a follow-up the change."""
    sessions = applied_sessions(sub)
    files = [layout.prediction(applied.system, sub, ses) for ses in sessions]
    if roster.has_lesions(sub):
        files += [layout.demyelinated(applied.system, sub, ses) for ses in sessions]
        last = FOLLOW_UP if FOLLOW_UP in sessions else BASELINE
        files.append(layout.lesion_table(applied.system, sub, last))
        if FOLLOW_UP in sessions:
            files.append(layout.indices(applied.system, sub, FOLLOW_UP))
            if applied.calibrated:
                files.append(layout.index_intervals(applied.system, sub, FOLLOW_UP))
            if applied.null:
                files.append(layout.index_null(applied.system, sub, FOLLOW_UP))
    return files
