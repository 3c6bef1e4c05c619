"""What planning a large study costs: `snakemake -n` for growing numbers of patients with two sessions each.

python benchmarks/dry_run.py 20 200 2000 --target preprocessing
python benchmarks/dry_run.py 20 200 --scanned              # a data set of empty files instead of a simulated cohort
python benchmarks/dry_run.py 20 --repository ../other      # another checkout, for before and after

One control is added for every ten patients, at least six. CPU seconds are told beside the wall time: on a busy machine
only they can be compared.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

from myelosynth.bids.index import BASELINE, FOLLOW_UP
from myelosynth.bids.layout import RawLayout

HERE = Path(__file__).resolve().parents[1]
FLOORS = {"systems": ["ridge"], "main": "ridge"}
"""Leanest study that learns: one system."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patients", type=int, nargs="+")
    parser.add_argument("--target", default="all")
    parser.add_argument("--scanned", action="store_true", help="empty files of a data set instead of a simulation")
    parser.add_argument("--lean", action="store_true", help="one system instead of the configuration's five")
    parser.add_argument("--repository", type=Path, default=HERE)
    arguments = parser.parse_args()
    print("| patients | controls | jobs | wall, s | CPU, s | CPU per job, ms | peak memory, MB |")
    print("|---|---|---|---|---|---|---|")
    for patients in arguments.patients:
        with tempfile.TemporaryDirectory() as folder:
            controls = max(6, patients // 10)
            config = configuration(Path(folder), patients, controls, arguments.scanned)
            if arguments.lean:
                config["learning"] = FLOORS
            jobs, wall, cpu, memory = planned(Path(folder), config, arguments.target, arguments.repository.resolve())
            cells = (patients, controls, jobs, f"{wall:.0f}", f"{cpu:.0f}", f"{1000 * cpu / jobs:.2f}", f"{memory:.0f}")
            print("|", " | ".join(map(str, cells)), "|", flush=True)


def configuration(folder: Path, patients: int, controls: int, scanned: bool) -> dict:
    """The overlay of a simulated cohort, or of a data set of empty files that is written into the folder."""
    if not scanned:
        return {"simulate": {"patients": patients, "controls": controls}}
    root = folder / "raw"
    raw = RawLayout(root, root / "derivatives" / "lesions")
    people = [
        (f"{number:05d}", "patient" if number <= patients else "control")
        for number in range(1, patients + controls + 1)
    ]
    root.mkdir()
    rows = ["participant_id\tgroup", *(f"sub-{sub}\t{group}" for sub, group in people)]
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    for sub, group in people:
        for ses in (BASELINE, FOLLOW_UP) if group == "patient" else (BASELINE,):
            for path in session(raw, sub, ses, group == "patient" and ses == BASELINE):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return {"simulate": None, "dataset": {"bids_dir": "raw", "lesions": "raw/derivatives/lesions"}}


def session(raw: RawLayout, sub: str, ses: str, lesions: bool) -> list[Path]:
    """The files of a complete session."""
    anat = [raw.anat(sub, ses, name) for name in ("T1w", "T2w", "FLAIR")]
    anat += [raw.anat(sub, ses, "MTR", mt=pulse) for pulse in ("on", "off")]
    dwi = [raw.dwi(sub, ses, extension) for extension in (".nii.gz", ".bval", ".bvec", ".json")]
    pet = [raw.pet(sub, ses, extension) for extension in (".nii.gz", ".json")]
    return [*anat, *dwi, *pet, *([raw.lesion_mask(sub, ses)] if lesions else [])]


def planned(folder: Path, config: dict, target: str, repository: Path) -> tuple[int, float, float, float]:
    """Jobs of the plan, wall and CPU seconds, peak memory (MB); everything in the log counts as a job once."""
    for name in ("config", "profiles"):
        (folder / name).symlink_to(repository / name)
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    command = ["snakemake", "-s", str(repository / "Snakefile"), "-n", "--quiet", "rules", "--cores", "1"]
    command += ["--configfile", "study.yaml", "--", target]
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    start = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    text = (folder / "log").read_text()
    if status:
        raise SystemExit(text[-3000:])
    total = next(line for line in text.splitlines() if line.startswith("total "))
    return int(total.split()[1]), wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
