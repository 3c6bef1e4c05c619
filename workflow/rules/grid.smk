"""The analysis grid of each participant (space-dvrt0): every image is interpolated once."""


rule t1w_to_grid:
    """T1w of a session to the analysis grid, as one transform."""
    input:
        lambda w: [str(step).removeprefix("inverse:") for step in grid_steps(w)],
    output:
        layout.transform("{sub}", "{ses}", "T1w", layout.space),
    log:
        log_of("t1w_to_grid"),
    benchmark:
        benchmark_of("t1w_to_grid")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        chain=lambda w: transform_options(*grid_steps(w)),
    shell:
        "myelosynth compose-transforms {output:q} {params.chain:q} > {log:q} 2>&1"


for _contrast in NATIVE:

    rule:
        name:
            f"{_contrast}_to_grid"
        input:
            image=map_image(_contrast),
            steps=map_to_grid(_contrast),
            grid=layout.analysis_grid("{sub}"),
        output:
            layout.source("{sub}", "{ses}", _contrast),
        log:
            log_of("to_grid", f"sub-{{sub}}_ses-{{ses}}_{_contrast}"),
        benchmark:
            benchmark_of("to_grid", f"sub-{{sub}}_ses-{{ses}}_{_contrast}")
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=grown(2000),
            runtime=grown(5),
        params:
            chain=lambda w, input: transform_options(*input.steps),
        shell:
            "myelosynth transform {input.image:q} {input.grid:q} {output:q} {params.chain:q} > {log:q} 2>&1"


rule DVR_to_grid:
    """A follow-up DVR on the baseline's grid; the baseline DVR itself is never interpolated."""
    input:
        image=map_image(TARGET),
        steps=map_to_grid(TARGET),
        grid=layout.analysis_grid("{sub}"),
        brain=layout.brain_mask("{sub}", BASELINE, space=layout.space),
    output:
        layout.source("{sub}", "{ses}", "DVR"),
    log:
        log_of("to_grid", "sub-{sub}_ses-{ses}_DVR"),
    benchmark:
        benchmark_of("to_grid", "sub-{sub}_ses-{ses}_DVR")
    wildcard_constraints:
        # The session folder of the path: the baseline's DVR has rules of its own.
        ses=f"(?!{BASELINE}/)[0-9A-Za-z]+",
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        chain=lambda w, input: transform_options(*input.steps),
    shell:
        "myelosynth transform {input.image:q} {input.grid:q} {output:q} {params.chain:q} --mask {input.brain:q}"
        " > {log:q} 2>&1"


rule masks_to_grid:
    """Baseline brain, white matter and CSF distance on the analysis grid."""
    input:
        brain=layout.brain_mask("{sub}", BASELINE),
        wm=layout.label_mask("{sub}", BASELINE, "WM"),
        distance=layout.csf_distance("{sub}", BASELINE),
        transform=layout.transform("{sub}", BASELINE, "T1w", layout.space),
        grid=layout.analysis_grid("{sub}"),
    output:
        brain=layout.brain_mask("{sub}", BASELINE, space=layout.space),
        wm=layout.label_mask("{sub}", BASELINE, "WM", space=layout.space),
        distance=layout.csf_distance("{sub}", BASELINE, space=layout.space),
    log:
        log_of("masks_to_grid", "sub-{sub}"),
    benchmark:
        benchmark_of("masks_to_grid", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    shell:
        "(myelosynth transform {input.brain:q} {input.grid:q} {output.brain:q} --transform {input.transform:q} --labels"
        " && myelosynth transform {input.wm:q} {input.grid:q} {output.wm:q} --transform {input.transform:q} --labels"
        " && myelosynth transform {input.distance:q} {input.grid:q} {output.distance:q}"
        " --transform {input.transform:q}) > {log:q} 2>&1"


rule lesions_to_grid:
    """Baseline lesions straight from the grid they were drawn on, and NAWM, on the analysis grid."""
    input:
        lesions=lambda w: roster.index.path(w.sub, BASELINE, "lesions"),
        steps=lesion_to_grid_steps,
        nawm=layout.label_mask("{sub}", BASELINE, "NAWM"),
        transform=layout.transform("{sub}", BASELINE, "T1w", layout.space),
        grid=layout.analysis_grid("{sub}"),
    output:
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
        nawm=layout.label_mask("{sub}", BASELINE, "NAWM", space=layout.space),
    log:
        log_of("lesions_to_grid", "sub-{sub}"),
    benchmark:
        benchmark_of("lesions_to_grid", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        chain=lambda w, input: transform_options(*input.steps),
    shell:
        "(myelosynth transform {input.lesions:q} {input.grid:q} {output.lesions:q} {params.chain:q} --labels"
        " && myelosynth transform {input.nawm:q} {input.grid:q} {output.nawm:q} --transform {input.transform:q}"
        " --labels) > {log:q} 2>&1"


rule draw_to_grid:
    """A ceiling or null of the evaluation, filed like a prediction; only evaluation reads it."""
    input:
        image=layout.work("{sub}", "{ses}", "dvr_{system}.nii.gz"),
        steps=pet_to_grid_steps,
        grid=layout.analysis_grid("{sub}"),
        brain=layout.brain_mask("{sub}", BASELINE, space=layout.space),
    output:
        layout.prediction("{system}", "{sub}", "{ses}"),
    log:
        log_of("draw_to_grid", "{system}_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("draw_to_grid", "{system}_sub-{sub}_ses-{ses}")
    wildcard_constraints:
        system="|".join([*CEILINGS, *NULLS]) or "none",
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        chain=lambda w: transform_options(*pet_to_grid_steps(w)),
    shell:
        "myelosynth transform {input.image:q} {input.grid:q} {output:q} {params.chain:q} --mask {input.brain:q}"
        " > {log:q} 2>&1"
