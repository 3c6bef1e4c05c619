"""Columns of the evaluation's tables, in order, with their meaning and unit."""

from myelosynth.myelin.indices import DESCRIPTIONS

Columns = dict[str, dict[str, str]]


def described(unit: str = "", **texts: str) -> Columns:
    """Columns by name with their meaning, all in one unit; none where it is empty."""
    extra = {"Units": unit} if unit else {}
    return {name: {"Description": text, **extra} for name, text in texts.items()}


_SYSTEM = described(system="method or ceiling (derivative folder), `true` for the measured PET, or a floor")
_REPLICATE = described(replicate="training of the system, by its seed, from 1; 1 for what is not trained")
_PARTICIPANT = described(participant_id="test subject")
_FOLD = described(fold="fold in which the subject was test")
_INDICES: Columns = {name: {"Description": text, "Units": "1"} for name, text in DESCRIPTIONS.items()}
_CONDITION = described(
    metric="column of image_metrics.tsv or overlap.tsv, an index, or NAME_error: its absolute error",
    reference="image or map scored against: measured or noise-free DVR",
    session_id="ses-t0, ses-t1, or `change` for both together",
    map="demyelinated, demyelinating or remyelinating; n/a for images and indices",
    group="subjects pooled: all, patient or control",
)

IMAGE_METRICS: Columns = {
    **_SYSTEM,
    **_REPLICATE,
    **_PARTICIPANT,
    **described(session_id="session", group="patient or control"),
    **_FOLD,
    **described(reference="measured: the DVR of the PET scan; noise-free: simulated DVR without noise"),
    **described("DVR squared", mse="mean squared error, whole image"),
    **described("dB", psnr="peak signal-to-noise ratio with MAX = data_range; n/a for identical images"),
    **described(ssim="structural similarity over ssim_range, Gaussian window of sigma 1.5, population covariance"),
    **described("DVR", mae="mean absolute error, whole image"),
    **described("DVR squared", mse_masked="mean squared error in the brain mask"),
    **described("dB", psnr_masked="peak signal-to-noise ratio of mse_masked"),
    **described(ssim_masked="mean of the SSIM map in the brain mask"),
    **described(
        "DVR",
        mae_masked="mean absolute error in the brain mask",
        data_range="largest DVR of the reference",
        ssim_range="largest minus smallest DVR of the reference in the brain mask, the dynamic range of SSIM",
        lesion_mae="voxelwise mean absolute error in baseline lesions",
        lesion_mean_difference="absolute difference of the lesions' mean DVR (the other reading of wei2020 Table 1b)",
        lesion_bias="mean DVR of the prediction minus the reference in baseline lesions",
        nawm_mae="voxelwise mean absolute error in normal-appearing white matter (controls: white matter)",
        nawm_mean_difference="absolute difference of the mean DVR there",
        nawm_bias="mean DVR of the prediction minus the reference there",
    ),
}
OVERLAP: Columns = {
    **_SYSTEM,
    **_REPLICATE,
    **_PARTICIPANT,
    **described(session_id="ses-t0 or ses-t1, `change` for maps of both", map="class of lesion voxels compared"),
    **_FOLD,
    **described(
        dice="DICE against the map of the measured PET; n/a (undefined) where both are empty",
        n_true="voxels of the class from the measured PET",
        n_predicted="voxels of the class from the system",
        defined="false where both maps are empty: excluded from means and counted",
    ),
}
INDICES: Columns = {**_SYSTEM, **_REPLICATE, **_PARTICIPANT, **_FOLD, **_INDICES}
AGREEMENT: Columns = {
    **_SYSTEM,
    **described(index="column of indices.tsv", n="patients with both values"),
    **described(replicates="trainings (seeds) over which every figure of the row is averaged"),
    **described(
        "1",
        bias="mean of system minus true",
        sd="standard deviation of the differences (n - 1)",
        loa_low="lower 95 % limit of agreement, bias - 1.96 sd",
        loa_high="upper 95 % limit of agreement, bias + 1.96 sd",
    ),
    **described(
        icc="ICC(2,1): two-way random, absolute agreement, single rating",
        sign_errors="global index only: patients on the wrong side of zero",
        sign_n="global index only: patients whose true index is not zero",
        spearman="Spearman's rank correlation",
        published_sign_errors="wei2020 Fig. 5 (A), 15 patients of another data set: a comparison, not a target",
    ),
}
SUMMARY: Columns = {
    **_SYSTEM,
    **_CONDITION,
    **described(
        n="subjects with a defined value",
        mean="mean over subjects, in the unit of the metric",
        sd="standard deviation over subjects (n - 1)",
        ci_low="lower end of the 95 % BCa bootstrap interval of the mean over subjects; n/a with n < 3",
        ci_high="upper end of that interval",
        n_undefined="subjects whose value is undefined, left out of the mean",
        replicates="trainings (seeds) over which each subject's value is averaged first",
        seed_sd="standard deviation (n - 1) between replicates of the mean over subjects; n/a with one replicate",
        published="mean printed for this system on clinical data that is not public: a comparison, not a target",
        published_sd="standard deviation printed with it",
        published_source="where it was printed",
    ),
}
COMPARISONS: Columns = {
    **_SYSTEM,
    **described(against="method it is compared with, over the same subjects"),
    **_CONDITION,
    **described(
        n="subjects with a defined value of both",
        mean_difference="mean of system minus `against`, in the unit of the metric",
        t="paired t statistic",
        p_t="two-sided p-value of t",
        p_t_holm="p_t after Holm's correction over the methods of this condition",
        w="Wilcoxon signed-rank statistic",
        p_wilcoxon="two-sided p-value of w",
        p_wilcoxon_holm="p_wilcoxon after Holm's correction over the methods of this condition",
        tested="false where no test was made",
        note="why not",
    ),
}
CEILINGS: Columns = {
    **described(system="method", ceiling="oracle or retest: what it is held against, over the same subjects"),
    **_CONDITION,
    **described(
        n="subjects with a defined value of both",
        mean="mean of the system, in the unit of the metric",
        ceiling_mean="mean of the ceiling over the same subjects",
        gain="mean paired difference, positive where the system is better than the ceiling",
        gain_low="lower end of its 95 % BCa bootstrap interval; n/a with n < 3",
        gain_high="upper end of that interval",
        bound="true where the ceiling is the best that MRI allows: the oracle, for errors against the noise-free DVR",
        p="one-sided p-value of a paired t test of the gain; n/a where the ceiling is no bound, and with 6 or fewer",
        p_holm="p after Holm's correction over all rows that have one",
        verdict="passes, below or not told apart, by the interval; too few without one",
        fault="true where a system passes a bound by more than chance (p_holm below .05): a leak or a bug",
    ),
}
RANKING: Columns = {
    **_CONDITION,
    **described(rank="place among the methods by the mean; n/a for ceilings and floors without a model"),
    **_SYSTEM,
    **described(
        part="method, floor or ceiling",
        n="subjects with a defined value",
        mean="mean over subjects, in the unit of the metric",
        ci_low="lower end of the 95 % BCa bootstrap interval of the mean; n/a with n < 3",
        ci_high="upper end of that interval",
        seed_sd="standard deviation between replicates of the mean over subjects; n/a with one replicate",
        against="reference method",
        n_pairs="subjects with a defined value of both",
        difference="mean of the system minus `against`, in the unit of the metric",
        difference_low="lower end of the 95 % BCa bootstrap interval of the difference",
        difference_high="upper end of that interval",
        p_t_holm="paired t, after Holm's correction over the methods of this condition; n/a where not tested",
        p_wilcoxon_holm="Wilcoxon signed-rank, corrected likewise",
        verdict="better, worse or not told apart: both corrected p below .05 or not; not tested, reference",
    ),
}
