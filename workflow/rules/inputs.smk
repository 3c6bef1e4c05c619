"""Input functions and small choices of the rules, by stage."""


def raw_image(contrast):
    """Input function: the raw file of a contrast of this session."""
    return lambda w: roster.index.path(w.sub, w.ses, contrast)


def moving_image(w):
    contrast = MOVING[w.image]
    if contrast in ("b0", "petref"):
        return layout.work(w.sub, w.ses, f"{contrast}.nii.gz")
    return roster.index.path(w.sub, w.ses, contrast)


def to_template(w):
    """Transforms from the PET of a session to the MNI152 template, in the order they are applied."""
    steps = [layout.transform(w.sub, w.ses, "PET", "T1w")]
    if w.ses != BASELINE:
        steps.append(layout.transform(w.sub, w.ses, f"T1w{w.ses}", "T1wt0"))
    return [*steps, layout.transform(w.sub, BASELINE, "T1w", "MNI152")]


def transform_options(*paths):
    """`--transform` options; a path may carry the prefix `inverse:`."""
    return " ".join(f"--transform {path}" for path in paths)


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
    if ses != BASELINE:
        files.append(layout.transform(sub, ses, f"T1w{ses}", "T1wt0"))
    if roster.has_lesions(sub):
        files.append(layout.label_mask(sub, ses, "NAWM"))
    return files


# -- anatomy.smk -------------------------------------------------------------------------------------------------------


def lesion_steps(w, flair):
    """Baseline lesions on the FLAIR grid -> T1w of this session; `flair` is the FLAIR's transform at baseline."""
    if w.ses == BASELINE:
        return [flair]
    return [flair, f"inverse:{layout.transform(w.sub, w.ses, f'T1w{w.ses}', 'T1wt0')}"]


def lesion_inputs(w, flair):
    steps = [str(step).removeprefix("inverse:") for step in lesion_steps(w, flair)]
    return [*steps, roster.index.path(w.sub, BASELINE, "lesions")]


def first_flair(w):
    """The FLAIR's rigid transform: the boundary-based one needs white matter, which needs filled lesions."""
    if "FLAIR" in RIGID_IMAGES:
        return layout.transform(w.sub, BASELINE, "FLAIR", "T1w")
    return layout.work(w.sub, BASELINE, "FLAIR_rigid.txt")


def final_flair(w):
    return layout.transform(w.sub, BASELINE, "FLAIR", "T1w")


# -- grid.smk ----------------------------------------------------------------------------------------------------------


def grid_steps(w):
    """Transforms from the T1w of this session to the baseline DVR."""
    back = f"inverse:{layout.transform(w.sub, BASELINE, 'PET', 'T1w')}"
    return (
        [back]
        if w.ses == BASELINE
        else [layout.transform(w.sub, w.ses, f"T1w{w.ses}", "T1wt0"), back]
    )


def ceiling_native(w):
    """The DVR behind a ceiling in the session's PET space: a second noise draw, or no noise at all."""
    if w.system == "retest":
        return layout.work(w.sub, w.ses, "dvr_retest.nii.gz")
    return raw.truth(w.sub, w.ses, "dvr.nii.gz")


def ceiling_steps(w):
    """From the session's PET to the analysis grid; at baseline the two undo one another."""
    return [
        layout.transform(w.sub, w.ses, "PET", "T1w"),
        layout.transform(w.sub, w.ses, "T1w", "dvrt0"),
    ]


# -- learning.smk ------------------------------------------------------------------------------------------------------


def learned_inputs(sub, ses):
    """Files of one session that training may read."""
    files = [layout.source(sub, ses, contrast) for contrast in [*SOURCES, "DVR"]]
    files += [
        layout.brain_mask(sub, BASELINE, space="dvrt0"),
        layout.transform(sub, BASELINE, "PET", "MNI152"),
    ]
    if roster.index.groups[sub] == "patient":
        files += [
            layout.label_mask(sub, BASELINE, label, space="dvrt0")
            for label in ("L", "NAWM")
        ]
    return files


def training_inputs(w):
    """Everything that training may read; too few complete participants is an error only here."""
    if not learnable:
        raise WorkflowError(
            f"too few participants to learn from: {len(roster.eligible)} of {len(roster.index.groups)} have baseline "
            f"T1w, MT, DWI, PET (and lesions where a patient), {study.folds.number} folds need as many; "
            "run the target `preprocessing`, or complete the data set"
        )
    return [path for sub in roster.eligible for path in learned_inputs(sub, BASELINE)]


def model_and_loss(system):
    """`cf-sagan-l1` -> options of the train command; mean-atlas and ridge take no loss."""
    name, _, loss = system.rpartition("-")
    if loss in ("l1", "wl1", "nwl1"):
        return f"--model {name} --loss {loss}"
    return f"--model {system}"


def sketcher_of(system):
    """The Sketcher that a Refiner builds on: the same network with L1."""
    name = system.rpartition("-")[0]
    return (
        f"{name.removeprefix('refiner-')}-l1" if name.startswith("refiner-") else None
    )


# -- myelin.smk --------------------------------------------------------------------------------------------------------


def controls_of_fold(w):
    """Controls of the fold that are not its test subjects."""
    test = {sub for sub, fold in FOLD_OF.items() if fold == int(w.fold)}
    return [
        sub
        for sub in roster.eligible
        if roster.index.groups[sub] == "control" and sub not in test
    ]


def system_of(w):
    """The system of a rule; rules without the wildcard map the measured PET."""
    return getattr(w, "system", "true")


def dvr_image(w):
    system = system_of(w)
    return (
        layout.source(w.sub, w.ses, "DVR")
        if system == "true"
        else layout.prediction(system, w.sub, w.ses)
    )


def maps_of(system):
    """Everything that the maps of one system consist of."""
    sessions = roster.patients(
        roster.measured if system in ("true", *CEILINGS) else roster.synthesised
    )
    masks = [layout.demyelinated(system, sub, ses) for sub, ses in sessions]
    return masks + [
        layout.indices(system, sub, FOLLOW_UP) for sub in roster.followed(sessions)
    ]


# -- evaluation.smk ----------------------------------------------------------------------------------------------------


def predicted_images():
    learned = [
        layout.prediction(system, sub, ses)
        for system in SYSTEMS
        for sub, ses in roster.synthesised
    ]
    return learned + [
        layout.prediction(system, sub, ses)
        for system in CEILINGS
        for sub, ses in roster.measured
    ]
