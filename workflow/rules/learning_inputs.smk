"""Input functions and small choices of the rules from learning to evaluation, by stage."""

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


def the_split():
    """The split; too few complete participants is an error only for those who ask here."""
    if planned.obstacle:
        raise WorkflowError(planned.obstacle)
    return planned


def eligible_images(w):
    """The images of everybody in the split, test participants too: the manifest lists them."""
    the_split()
    return [path for sub in roster.eligible for path in learned_inputs(sub, BASELINE)]


def training_images(w):
    """Everything that training on a fold, or on an inner fold of it, may read."""
    inner = int(w.inner) if "inner" in w.keys() else None
    people = the_split().learned(int(w.fold), inner)
    return [path for sub in people for path in learned_inputs(sub, BASELINE)]


def training_settings(w):
    """The numbers of the preset as text: a training runs again when they change, not when the file does."""
    return load_preset(study.learning.preset).model_dump_json()


def training_command(w):
    """How a training starts: by torchrun where several GPUs share each batch of a network."""
    processes = training_processes(w)
    if processes == 1:
        return ["myelosynth"]
    torchrun = ["torchrun", "--standalone", "--nproc-per-node", processes]
    return [*torchrun, "-m", "myelosynth"]


def sketcher_checkpoint(w):
    """The checkpoint that a Refiner builds on, of the same fold; nothing for other systems."""
    sketcher = parse_system(w.system).sketcher
    return [layout.checkpoint(sketcher, w.fold)] if sketcher else []


def out_of_fold_sketches(w):
    """The images that a Refiner learns to refine, where they are not its Sketcher's own; nothing for other systems."""
    sketcher = parse_system(w.system).sketcher
    if not (sketcher and OUT_OF_FOLD):
        return []
    people = the_split().inner_fold_of(int(w.fold))
    return [layout.sketch(sketcher, w.fold, sub, BASELINE) for sub in people]


def sketch_options(w, input):
    """Options of `train` for a Refiner."""
    if not input.sketcher:
        return []
    more = ["--out-of-fold"] if input.sketches else []
    return ["--sketches", str(Path(input.sketcher[0]).parent), *more]


def sketching_checkpoint(w):
    """The model that has not seen the participant to be sketched."""
    inner = the_split().inner_fold_of(int(w.fold))[w.sub]
    return layout.inner_checkpoint(w.system, w.fold, inner)


def fold_of(sub):
    """The fold that tests a participant."""
    return the_split().fold_of[sub]


def tested(sessions):
    """Those of the (sub, ses) whose participant is test subject of a fold that is run."""
    return planned.tested(sessions, FOLDS)


# -- myelin.smk --------------------------------------------------------------------------------------------------------


def controls_of_fold(w):
    """Controls of the fold that make its curve; nobody whom it tests."""
    return the_split().controls(int(w.fold))


def retest_noise(w):
    """The noise of the fold's second scans, where a change must pass it."""
    if study.maps.change_threshold != "retest":
        return []
    return layout.table(f"retest_noise_fold-{fold_of(w.sub)}")


def change_threshold(w, input):
    """The option of a change's threshold: a DVR or that table."""
    return ["--change-threshold", str(input.noise or study.maps.change_threshold)]


def rule_tables(system):
    """The indices by every rule of each patient whose change is both measured and predicted."""
    both = set(roster.measured) & set(roster.synthesised)
    followed = roster.followed(tested(sorted(both)))
    return [layout.rule_indices(system, sub, FOLLOW_UP) for sub in followed]


def threshold_comparison():
    """The comparison of thresholds, where there is a patient to compare them in."""
    return [layout.table("threshold_comparison")] if rule_tables("true") else []


def system_of(w):
    """The system of a rule; rules without the wildcard map the measured PET."""
    return getattr(w, "system", "true")


def baseline_system(w):
    """The system of the baseline map: a null starts from the measured one."""
    return "true" if system_of(w) in NULLS else system_of(w)


def dvr_of(system, sub, ses):
    if system == "true":
        return layout.source(sub, ses, "DVR")
    return layout.prediction(system, sub, ses)


def dvr_image(w):
    return dvr_of(system_of(w), w.sub, w.ses)


def change_images(w):
    """The DVR behind both maps of a change."""
    return [
        dvr_of(baseline_system(w), w.sub, BASELINE),
        dvr_of(system_of(w), w.sub, FOLLOW_UP),
    ]


@cache
def maps_by_patient(system):
    """Everything that the maps of one system consist of, by patient."""
    sessions = roster.patients(
        tested(roster.measured if system in ("true", *CEILINGS) else roster.synthesised)
    )
    found = {sub: [] for sub, _ in sessions}
    for sub, ses in sessions:
        found[sub].append(layout.demyelinated(system, sub, ses))
    for sub in roster.followed(sessions):
        found[sub].append(layout.indices(system, sub, FOLLOW_UP))
        if system in WITH_INTERVALS:
            found[sub].append(layout.index_intervals(system, sub, FOLLOW_UP))
    return found


def maps_of(system):
    """The same of all patients."""
    return [path for its in maps_by_patient(system).values() for path in its]


# -- lesions.smk -------------------------------------------------------------------------------------------------------


def lesion_maps(w):
    """Options of `lesion-table` and their files: the change where there is one, else the baseline map alone."""
    system = system_of(w)
    if w.ses == BASELINE:
        called = layout.demyelinated(system, w.sub, BASELINE)
        return {"demyelinated": called, "dvr": dvr_of(system, w.sub, BASELINE)}
    files = {"change": layout.change(system, w.sub, FOLLOW_UP)}
    # A null has the tissue of the baseline: whatever is new in the follow-up mask is not in it.
    if w.sub in LESIONS_AGAIN and system not in NULLS:
        files["lesions_t1"] = layout.label_mask(
            w.sub, FOLLOW_UP, "L", space=layout.space, desc="followup"
        )
        files["dvr_t1"] = dvr_of(system, w.sub, FOLLOW_UP)
        files["curve"] = control_curve(w)
    return files


@cache
def lesion_table_of(system):
    """The table of each patient's lesions by one system; a null is known at the follow-up alone."""
    learned = system not in ("true", *CEILINGS, *NULLS)
    sessions = roster.patients(
        tested(roster.synthesised if learned else roster.measured)
    )
    last = {sub: FOLLOW_UP for sub in roster.followed(sessions)}
    if system not in NULLS:
        alone = [sub for sub, ses in sessions if ses == BASELINE and sub not in last]
        last |= {sub: BASELINE for sub in alone}
    return {sub: layout.lesion_table(system, sub, ses) for sub, ses in last.items()}


def lesion_tables():
    """The table of every patient's lesions, by the measured PET, every system and every null."""
    systems = [*MAPPED, *NULLS]
    return [path for name in systems for path in lesion_table_of(name).values()]


# -- evaluation.smk ----------------------------------------------------------------------------------------------------


def clinical_scores():
    """The table of scores, where the data set has or will have one."""
    table = raw.root / "phenotype" / "edss.tsv"
    return [table] if phantom or table.is_file() else []


def predicted_images():
    learned = [
        layout.prediction(system, sub, ses)
        for system in TRAINED
        for sub, ses in tested(roster.synthesised)
    ]
    return learned + [
        layout.prediction(system, sub, ses)
        for system in CEILINGS
        for sub, ses in tested(roster.measured)
    ]
