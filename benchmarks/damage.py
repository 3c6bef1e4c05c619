"""Damaged inputs of every rule: is each refused in one line, and never taken as good?

    python benchmarks/damage.py FOLDER [--rules NAME ...]

FOLDER/whole holds the tiny study of the tests (kills.py makes it), FOLDER/damaged a copy. For one job of every rule one
input of each kind is damaged, images, tables, transforms, checkpoints and sidecars in turn, by cutting it in half,
emptying it or flipping one byte in its middle; then the job's command runs. It must end with one line `error: ...` and
without an output; or, where it does not look at that file, with the outputs of the study. A flipped byte in plain text
is left out: nothing could tell it from another value. Exits with 1 where something else happens.
"""

import argparse
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kills import Study

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "flip": lambda content: (
        content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 0xFF]) + content[len(content) // 2 + 1 :]
    ),
}
KINDS = {
    ".nii.gz": ("cut", "flip"),
    ".tsv": ("empty",),
    ".json": ("cut",),
    ".txt": ("empty", "cut"),
    ".pt": ("cut", "flip"),
    ".bval": ("empty",),
    ".bvec": ("empty",),
}


def jobs_of(study: Study) -> dict[str, dict[str, Any]]:
    """One job of every rule: its command, inputs and outputs, by Snakemake's records."""
    records, jobs = study.folder / ".snakemake" / "metadata", dict[str, dict[str, Any]]()
    for path in sorted(path for path in records.rglob("*") if path.is_file()):
        told = json.loads(path.read_text())
        name = "".join(part.removeprefix("@") for part in path.relative_to(records).parts)
        job = jobs.setdefault(told["rule"], told | {"output": []})
        if job["log"] == told["log"]:
            job["output"].append(base64.urlsafe_b64decode(name).decode())
    return {rule: job for rule, job in jobs.items() if job["shellcmd"]}


def inputs_of(job: dict[str, Any]) -> list[tuple[str, str]]:
    """One input of each kind, with each damage that is done to it."""
    first = dict[str, str]()
    for name in job["input"]:
        kind = next((kind for kind in KINDS if name.endswith(kind)), None)
        # Pages find their files by the folder.
        if kind and (name in job["shellcmd"] or job["rule"].endswith("_page")):
            first.setdefault(kind, name)
    return [(name, damage) for kind, name in first.items() for damage in KINDS[kind]]


def outcome(whole: Path, place: Path, job: dict[str, Any], name: str, damage: str) -> tuple[bool, str]:
    """Whether a job met a damaged input well, and what it said."""
    content = (whole / name).read_bytes()
    (place / name).write_bytes(DAMAGES[damage](content))
    for output in job["output"]:
        (place / output).unlink(missing_ok=True)
    done = subprocess.run(["bash", "-c", f"set -euo pipefail; {job['shellcmd']}"], cwd=place, capture_output=True)
    said = (place / job["log"][0]).read_text(errors="replace").strip().splitlines() or ["nothing"]
    kept = [output for output in job["output"] if (place / output).exists()]
    same = [output for output in kept if (place / output).read_bytes() == (whole / output).read_bytes()]
    shutil.copy2(whole / name, place / name)
    for output in job["output"]:
        shutil.copy2(whole / output, place / output)
    if done.returncode == 0:
        return same == job["output"], "not looked at" if same == job["output"] else "taken as good"
    errors = [line for line in said if line.startswith("error: ")]
    clear = len(errors) == 1 and not any("Traceback" in line for line in said)
    whole_outputs = kept == same
    return clear and whole_outputs, f"{said[-1][:250]}{'' if whole_outputs else ' AND AN OUTPUT STAYS'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rules", nargs="*", help="these rules alone")
    options = parser.parse_args()
    whole, place = Study(options.folder.absolute() / "whole"), options.folder.absolute() / "damaged"
    if not place.is_dir():
        shutil.copytree(whole.folder, place, symlinks=True)
    bad, count = 0, 0
    for rule, job in jobs_of(whole).items():
        if options.rules and rule not in options.rules:
            continue
        for name, damage in inputs_of(job):
            well, said = outcome(whole.folder, place, job, name, damage)
            bad, count = bad + (not well), count + 1
            print("" if well else "BAD", rule, damage, Path(name).name, said, sep="\t", flush=True)
    print(f"{count} damages, {bad} met badly")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
