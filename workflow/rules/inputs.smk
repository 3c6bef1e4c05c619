"""Input functions and small choices of the imaging rules, by stage."""


def raw_image(contrast):
    """Input function: the raw file of a contrast of this session."""
    return lambda w: roster.index.path(w.sub, w.ses, contrast)


def companion(contrast, extension):
    """Input function: the file that belongs to the raw image of a contrast, under the name of that image."""
    return lambda w: companion_path(
        roster.index.path(w.sub, w.ses, contrast), extension
    )


def moving_image(w):
    """The raw image, or one made of it; where there is only a ready map, that map."""
    if not has_raw(w):
        return layout.work(w.sub, w.ses, f"ready/{registered_map(w)}.nii.gz")
    contrast = MOVING[w.image]
    if contrast in ("b0", "petref"):
        return layout.work(w.sub, w.ses, f"{contrast}.nii.gz")
    return roster.index.path(w.sub, w.ses, contrast)


def boundary_contrast(w):
    """White matter is brighter than grey in MTR, FA and AD that are registered themselves, darker elsewhere."""
    if not has_raw(w) and registered_map(w) != "RD":
        return "t1"
    return "flair" if w.image == "FLAIR" else "t2"


def to_template(w):
    """Transforms from the PET (or a ready DVR) of a session to the MNI152 template, in the order they are applied."""
    steps = map_steps(w.sub, w.ses, TARGET)
    if w.ses != BASELINE:
        steps.append(layout.transform(w.sub, w.ses, f"T1w{w.ses}", "T1wt0"))
    return [*steps, layout.transform(w.sub, BASELINE, "T1w", "MNI152")]


def transform_options(*paths):
    """`--transform` options; a path may carry the prefix `inverse:`."""
    return each("--transform", paths)


def named_options(values):
    """Options by the names of their values, underscores as hyphens."""
    return [
        word
        for name, value in values.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]


def quantitative_maps(sub, ses):
    """MTR, FA, RD and AD on the T1w grid, for readers; the line itself takes the native ones to its analysis grid."""
    return [
        layout.source(sub, ses, name, space="T1w")
        for name in NATIVE
        if roster.has_map(sub, ses, name)
    ]


# -- data.smk --------------------------------------------------------------------------------------------------------


def simulated_files():
    """Files of the simulated participants by the name of a rule, and who has them: one rule a kind, not one a person."""
    kinds = {}
    for sub, group in roster.index.groups.items():
        files = tuple(
            raw.root
            / str(path.relative_to(raw.root)).replace(f"sub-{sub}", "sub-{sub}")
            for path in files_of_simulated(sub)
        )
        kinds.setdefault((group, files), []).append(sub)
    named = {}
    for (group, files), people in kinds.items():
        alike = sum(name.startswith(f"simulate_{group}") for name in named)
        name = f"simulate_{group}_{alike + 1}" if alike else f"simulate_{group}"
        named[name] = files, people
    return named


def files_of_simulated(sub):
    """Images of a simulated participant with what belongs to them, and the further PET series."""
    found = []
    for ses in roster.index.sessions(sub):
        for contrast in CONTRASTS:
            if not roster.index.has(sub, ses, contrast):
                continue
            image = roster.index.path(sub, ses, contrast)
            belonging = {"DWI": (".bval", ".bvec", ".json"), "PET": (".json",)}
            more = [companion_path(image, e) for e in belonging.get(contrast, ())]
            found += [image, *more]
        for draw in phantom.draws(sub, ses):
            found.append(raw.truth(sub, ses, f"{draw}_pet.nii.gz"))
    return found


def checked_images(w):
    """Every image of the data set; of the participant where a bundle is applied."""
    return images_of_participants().get(w.sub if applied else None, [])


@cache
def images_of_participants():
    """Images of the data set by participant, and all of them under None."""
    found = {sub: [] for sub in [*roster.index.groups, None]}
    for row in roster.index.rows:
        if row.status == "present":
            path = roster.index.root / row.path
            found[row.participant_id[4:]].append(path)
            found[None].append(path)
    return found


# -- maps.smk, pet.smk -----------------------------------------------------------------------------------------------


def distortion_files(w):
    """Files that the distortion of a session's DWI is read from, by option of `epi-shift`."""
    if study.diffusion.distortion != "t1w":
        return FIELDMAPS[w.sub, w.ses]
    return {
        "t1w": layout.anat(w.sub, w.ses, "T1w"),
        "t1w_mask": layout.brain_mask(w.sub, w.ses),
        "transform": layout.work(w.sub, w.ses, "b0_distorted_rigid.txt"),
    }


def distortion_options(w):
    """The same as options."""
    return named_options(distortion_files(w))


def distortion_sidecars(w):
    """Sidecars with phase encoding, units and echo times; b-values of a reverse series."""
    told = [roster.index.path(w.sub, w.ses, "DWI")]
    told += [
        path
        for name, path in distortion_files(w).items()
        if name in ("fieldmap", "reverse")
    ]
    weights = [companion_path(path, ".bval") for path in told[1:]]
    sidecars = [companion_path(path, ".json") for path in told]
    return sidecars + [path for path in weights if path.is_file()]


def shift_map(w):
    """The shift map of a session's DWI where its distortion is undone."""
    if study.diffusion.distortion == "none" or not roster.fits_tensor(w.sub, w.ses):
        return []
    return layout.work(w.sub, w.ses, "epi_shift.nii.gz")


def shift_option(w):
    """The same as an option."""
    return each("--shift", [shift_map(w)] if shift_map(w) else [])


def csf_share_options(w, input, output):
    """Options of `dvr` for the share of CSF in each voxel, at the resolution of the PET."""
    words = {"csf": input.csf, "fwhm": study.pet.fwhm, "out_csf": output.csf}
    return named_options(words)


# -- anatomy.smk -------------------------------------------------------------------------------------------------------


def lesion_steps(w, flair):
    """Baseline lesions -> T1w of this session; `flair`, the FLAIR's transform at baseline, unless drawn on the T1w."""
    first = [] if DRAWN_ON_T1W[w.sub] else [flair]
    if w.ses == BASELINE:
        return first
    return [*first, f"inverse:{layout.transform(w.sub, w.ses, f'T1w{w.ses}', 'T1wt0')}"]


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


def distance_csf(sub, ses):
    """The CSF from which distances count: ventricles, or all of it where the configuration says so."""
    if study.curve.csf == "ventricles":
        return layout.label_mask(sub, ses, "VENT")
    return layout.probseg(sub, ses, "CSF")


# -- grid.smk ----------------------------------------------------------------------------------------------------------


def grid_steps(w):
    """Transforms from the T1w of this session to the analysis grid: none at baseline where it lies in the T1w's world."""
    # Without PET there is no DVR to be moved onto; a DVR ready in T1w space needs no step either.
    measured = [] if applied else map_steps(w.sub, BASELINE, TARGET)
    back = [f"inverse:{step}" for step in measured]
    if w.ses == BASELINE:
        return back
    return [layout.transform(w.sub, w.ses, f"T1w{w.ses}", "T1wt0"), *back]


def lesion_to_grid_steps(w):
    """Transforms from the lesion mask's own grid to the analysis grid."""
    own = [] if DRAWN_ON_T1W[w.sub] else [final_flair(w)]
    return [*own, layout.transform(w.sub, BASELINE, "T1w", layout.space)]


def pet_to_grid_steps(w):
    """From the session's PET to the analysis grid; at baseline the two undo one another."""
    return [
        layout.transform(w.sub, w.ses, "PET", "T1w"),
        layout.transform(w.sub, w.ses, "T1w", layout.space),
    ]


# -- myelin.smk --------------------------------------------------------------------------------------------------------


def control_curve(w):
    """The curve of the fold that tests a participant; a bundle brings its own."""
    return applied.curve if applied else layout.table(f"curve_fold-{fold_of(w.sub)}")
