"""Columns of the tables of `myelosynth agreement`, in order, with their meaning and unit."""

from myelosynth.evaluation.columns import AGREEMENT, INDICES, Columns, described
from myelosynth.myelin.lesions import COLUMNS as LESION

_WHO: Columns = {name: INDICES[name] for name in ("system", "replicate", "participant_id", "fold")}


def _ends(name: str, words: str) -> Columns:
    texts = {f"{name}_ci_low": f"lower end of the 95 % interval of {words}", f"{name}_ci_high": "upper end of it"}
    return described("1", **texts)


AGREEMENT_INTERVALS: Columns = {
    **{name: AGREEMENT[name] for name in ("system", "index", "n", "replicates", "bias")},
    **_ends("bias", "the bias: t with n - 1 degrees of freedom; n/a with n < 3, as all intervals here"),
    "loa_low": AGREEMENT["loa_low"],
    **_ends("loa_low", "the lower limit (Bland and Altman 1999, section 2.2)"),
    "loa_high": AGREEMENT["loa_high"],
    **_ends("loa_high", "the upper limit"),
    "icc": AGREEMENT["icc"],
    **_ends("icc", "the ICC, by F quantiles with Satterthwaite's degrees of freedom (Shrout and Fleiss 1979)"),
}
AGREEMENT_STRATA: Columns = {
    "system": INDICES["system"],
    **described(
        session_id="ses-t0 or ses-t1, `change` for maps of both",
        map="demyelinated, demyelinating or remyelinating",
        stratified_by="lesion size; lesion distance: of its voxel nearest to the CSF; voxel distance: each voxel's own",
        stratum="from (included) to (not included)",
        n_patients="patients with lesion voxels in the stratum",
        n_lesions="their lesions with voxels in it",
        n_voxels="their lesion voxels in it",
        dice="mean over patients in whom it is defined of the DICE with the map of the measured PET, in the stratum",
        n_undefined="patients whose DICE is undefined, neither map has a voxel there: left out of the mean",
        all_positive_dice="mean over the same patients of the DICE of calling every voxel of the stratum",
    ),
    **described(
        "1",
        true_share="mean over patients of the share of the stratum's voxels on the map of the measured PET",
        share="the same on the system's map",
        bias="mean over patients of share minus true_share; with its limits of each training, then averaged",
        loa_low="lower 95 % limit of agreement of the shares, bias - 1.96 sd; n/a with one patient",
        loa_high="upper 95 % limit of agreement",
    ),
}
_SHARES = described(
    "1",
    share="share of the stable voxels that the system calls demyelinating or remyelinating",
    net_share="demyelinating minus remyelinating, over the stable voxels: which way change is made up",
    false_discovery="share of all voxels that the system calls changing that are stable; n/a where it calls none",
    noise_share="share of what noise alone calls: measured PET against noise-free, retest against measured",
    excess="share minus noise_share of the same patient",
)
_REFERENCE = described(
    reference="whose stable voxels: noise-free or measured PET; unchanged: all of them, in a null that scans t0 again"
)
HALLUCINATION: Columns = {
    **_WHO,
    **_REFERENCE,
    **described(
        n_stable="lesion voxels that are stable in the reference and have a class of the system",
        n_demyelinating="of these called demyelinating",
        n_remyelinating="of these called remyelinating",
    ),
    **_SHARES,
}
HALLUCINATION_SUMMARY: Columns = {
    "system": INDICES["system"],
    **_REFERENCE,
    **described(n="patients"),
    **{name: {**text, "Description": f"mean over patients: {text['Description']}"} for name, text in _SHARES.items()},
    **described(
        "1",
        excess_low="lower end of the 95 % BCa bootstrap interval of the mean excess over patients; n/a with n < 3",
        excess_high="upper end of that interval",
    ),
    **described(verdict="more than noise, less than noise or not told apart, by that interval; too few with n <= 6"),
}
LESIONS: Columns = {**_WHO, **{name: dict(text) for name, text in LESION.items()}}
