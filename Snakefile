# From raw BIDS images to demyelination maps and a clinical report. Rules: workflow/rules, settings: config/config.yaml.
from snakemake.utils import min_version, validate

min_version("9.0")


# Every job ends its log with what it read and wrote (docs/audit.md); the rest is Snakemake's own prefix.
shell.prefix("set -euo pipefail; export MYELOSYNTH_RECORD=1; ")


report: "workflow/report/workflow.rst"


configfile: "config/config.yaml"


# First the model of the configuration, which tells a fault in one line; then the schema that is exported from it.
include: "workflow/rules/common.smk"


validate(config, "workflow/schemas/config.schema.json")
require_environments()
require_alone()


include: "workflow/rules/inputs.smk"
include: "workflow/rules/ready_inputs.smk"
include: "workflow/rules/learning_inputs.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/anatomy.smk"
include: "workflow/rules/ready.smk"
include: "workflow/rules/registration.smk"
include: "workflow/rules/maps.smk"
include: "workflow/rules/pet.smk"
include: "workflow/rules/grid.smk"
include: "workflow/rules/myelin.smk"
include: "workflow/rules/null_inputs.smk"
include: "workflow/rules/null.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/clinical.smk"
include: "workflow/rules/lesions.smk"
include: "workflow/rules/controls_inputs.smk"
include: "workflow/rules/reports_inputs.smk"
include: "workflow/rules/reports.smk"


# A bundle is applied, or a study learns by itself.
if applied:

    include: "workflow/rules/apply_inputs.smk"
    include: "workflow/rules/apply.smk"

else:

    include: "workflow/rules/learning.smk"
    include: "workflow/rules/thresholds.smk"
    include: "workflow/rules/controls.smk"


# Shorter than the way through the queue of a cluster: these run where Snakemake runs.
localrules:
    describe,
    describe_system,
    manifest,
    split,
    inner_split,


onstart:
    # Never in a dry run: a laptop may plan for a cluster.
    require_engines()


onerror:
    tell_killed(log)


rule all:
    default_target: True
    input:
        layout.page("cohort"),
        threshold_comparison(),
        [
            layout.page(f"sub-{sub}")
            for sub, _ in roster.patients(tested(roster.synthesised))
        ],
        [layout.page(f"qc/sub-{sub}_ses-{ses}") for sub, ses in roster.sessions],
        null_tables(),
        negative_control_tables(),


rule myelin_comparison:
    """Every system over folds and replicates, scored and drawn: the experiment of a preset, without the patients' pages."""
    input:
        layout.page("comparison"),
        layout.page("cohort"),


rule preprocessing:
    """Only the imaging half, for what each session has: a data set without PET, MT or DWI is welcome."""
    input:
        [session_derivatives(sub, ses) for sub, ses in PREPROCESSED],
        [quantitative_maps(sub, ses) for sub, ses in PREPROCESSED],
        [layout.page(f"qc/sub-{sub}_ses-{ses}") for sub, ses in PREPROCESSED],
