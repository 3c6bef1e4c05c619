"""SIGKILL in the middle of every rule: is what stands on the disk whole, and does the same command mend the rest?

    python benchmarks/kills.py FOLDER [--seed 6] [--times 1] [--rules NAME ...]

FOLDER/whole holds the tiny study of the tests, run once and left alone (made where it is not there), FOLDER/killed a
copy. For every rule that ran in it the outputs of a job or two are removed, Snakemake is told to make them again, and
once one of them works it is killed at a moment and in a manner that the seed draws: `all` kills Snakemake with its jobs
(a power cut), `snakemake` kills it alone (its jobs work on, and the rerun meets them), `job` kills a job alone (the
memory limit). After each kill every file that has its final name must have the bytes of the study that was left alone;
then the same command is typed again, and all of them must be there. At the end the whole study must be found finished.
Files that tell run times are in TELLS_TIME. The record is FOLDER/kills.json; a campaign that is broken off goes on.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
MANNERS = ("all", "snakemake", "job")
# Logs and benchmarks tell times, and the page of the cohort shows those of the benchmarks.
TELLS_TIME = re.compile(r"results/(logs|benchmarks)/|results/reports/(cohort|comparison)\.html$")
STARTS = re.compile(r"^(?:local)?rule (\S+):\n((?:    .*\n)+)", re.MULTILINE)
# How long a run may take to reach the job, and to end after a job of it was killed, seconds.
PATIENCE, FAREWELL = 3600, 60


class Rule(NamedTuple):
    """How long a job of a rule takes, and the outputs of each."""

    seconds: float
    jobs: list[list[str]]


class Study:
    """A folder in which Snakemake runs the tiny study."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "run.log"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config", "profiles", "slurm"):
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(REPOSITORY / name)
        self.known = dict[Path, tuple[tuple[int, int], str]]()

    def start(self, *words: str) -> psutil.Popen:
        """Snakemake, in a process group of its own with the jobs that it starts."""
        command = ["snakemake", "-s", str(REPOSITORY / "Snakefile"), "--cores", "2"]
        command += ["--configfile", str(REPOSITORY / "tests/workflow/tiny.yaml"), "--", *words]
        with self.log.open("w") as log:
            return psutil.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)

    def finish(self, *words: str) -> str:
        """Run to the end and return what was said. Ends the campaign where it fails."""
        code = self.start(*words).wait()
        if code:
            sys.exit(f"error: the run failed, {self.folder}, exit code {code} of {' '.join(words)}, look at {self.log}")
        return self.log.read_text()

    def rules(self) -> dict[str, Rule]:
        """Every rule that ran, by Snakemake's own records; the participants' `simulate_` rules are one kind."""
        records, jobs = self.folder / ".snakemake" / "metadata", dict[tuple[str, str], list[tuple[str, float]]]()
        for path in sorted(records.rglob("*")):
            if path.is_file():
                told = json.loads(path.read_text())
                name = "".join(part.removeprefix("@") for part in path.relative_to(records).parts)
                output = base64.urlsafe_b64decode(name).decode()
                kind = re.sub(r"^simulate_\d+$", "simulate", told["rule"])
                seconds = told["endtime"] - told["starttime"]
                # Outputs of a job may have different times; its log is its own.
                jobs.setdefault((kind, told["log"][0]), []).append((output, seconds))
        rules = dict[str, Rule]()
        for (kind, _), made in sorted(jobs.items()):
            rules.setdefault(kind, Rule(0, [])).jobs.append([output for output, _ in made])
        for kind, rule in rules.items():
            spans = [max(seconds for _, seconds in made) for (name, _), made in jobs.items() if name == kind]
            rules[kind] = rule._replace(seconds=median(spans))
        return rules

    def files(self) -> dict[str, str]:
        """The sha256 of every file under its final name, raw images and results; each is read once while it stays."""
        found = dict[str, str]()
        for path in [*(self.folder / "data").rglob("*"), *(self.folder / "results").rglob("*")]:
            name = str(path.relative_to(self.folder))
            if ".part-" in name or TELLS_TIME.search(name) or not path.is_file():
                continue
            stamp = path.stat().st_mtime_ns, path.stat().st_size
            if self.known.get(path, ((0, 0), ""))[0] != stamp:
                with path.open("rb") as stream:
                    self.known[path] = stamp, hashlib.file_digest(stream, "sha256").hexdigest()
            found[name] = self.known[path][1]
        return found

    def parts(self) -> list[Path]:
        """What jobs that did not end have left behind."""
        return [path for path in (self.folder / "results").rglob(".part-*")]


class Kill(NamedTuple):
    """One kill, and what was found."""

    rule: str
    manner: str
    # Seconds after Snakemake said that the job starts, and whether it was at work then.
    moment: float
    at_work: bool
    # Files with other bytes than those of the study that was left alone: after the kill, and after the rerun.
    broken: list[str]
    differ: list[str]
    missing: list[str]
    # Folders of half-written files: after the kill, and after the rerun.
    parts: int
    left: int
    # Lines in which Snakemake or the job told what was killed.
    told: list[str]


def job_of(snakemake: psutil.Popen, log: str) -> list[psutil.Process]:
    """The processes of a job, below the shell that writes its log."""
    for shell in snakemake.children(recursive=True):
        try:
            if any(log in word for word in shell.cmdline()):
                return shell.children(recursive=True) or [shell]
        except psutil.NoSuchProcess:
            continue
    return []


def stop(processes: list[psutil.Process]) -> None:
    """SIGKILL."""
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def awaited(study: Study, snakemake: psutil.Popen, rule: str) -> str | None:
    """The log of the rule's first job once it starts; None where the run ends without one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        over = snakemake.poll() is not None
        for name, block in STARTS.findall(study.log.read_text(errors="replace")):
            log = re.search(r"^    log: (\S+)", block, re.MULTILINE)
            if log and re.sub(r"^simulate_\d+$", "simulate", name) == rule:
                return log[1]
        if over:
            return None
        time.sleep(0.02)
    sys.exit(f"error: no job started, rule {rule}, {PATIENCE} s, look at {study.log}")


def kill_once(whole: Study, study: Study, kind: str, rule: Rule, chance: random.Random) -> Kill | None:
    """Remove outputs of a rule, kill their making, look, make them again, look again; None where no job started."""
    expected, manner = whole.files(), chance.choice(MANNERS)
    outputs = [output for job in chance.sample(rule.jobs, min(2, len(rule.jobs))) for output in job]
    for output in outputs:
        (study.folder / output).unlink(missing_ok=True)
        (study.folder / output).with_name("last.pt").unlink(missing_ok=True)
    # Not their JSON sidecars: where Snakemake removes an output before a job, these stay too.
    moment = chance.uniform(0, 1.1 * rule.seconds)
    snakemake = study.start(*outputs)
    log = awaited(study, snakemake, kind)
    if log is None:
        study.finish(*outputs)
        return None
    time.sleep(moment)
    everybody, its = [snakemake, *snakemake.children(recursive=True)], job_of(snakemake, log)
    stop({"all": everybody, "snakemake": [snakemake], "job": its}[manner])
    if manner == "job":
        psutil.wait_procs([snakemake], FAREWELL)
        stop([snakemake])
    snakemake.wait()
    said = study.log.read_text(errors="replace")
    told = [line.strip()[:160] for line in said.splitlines() if re.search("Killed|error: ", line)]
    broken = [name for name, digest in study.files().items() if expected.get(name) != digest]
    parts = len(study.parts())
    again = study.finish(*outputs)
    told += [line[:160] for line in again.splitlines() if "was killed" in line]
    psutil.wait_procs(everybody)
    found = study.files()
    for output in outputs:
        shutil.copystat(whole.folder / output, study.folder / output)
    differ = [name for name, digest in found.items() if expected.get(name) != digest]
    missing = sorted(expected.keys() - found.keys())
    return Kill(kind, manner, round(moment, 2), bool(its), broken, differ, missing, parts, len(study.parts()), told)


def summary(kills: list[dict[str, Any]]) -> str:
    """The counts."""
    lines = ["rule\tall\tsnakemake\tjob\tat work"]
    for rule in sorted({kill["rule"] for kill in kills}):
        of = [kill for kill in kills if kill["rule"] == rule]
        counts = Counter(kill["manner"] for kill in of)
        lines.append("\t".join([rule, *(str(counts[m]) for m in MANNERS), str(sum(kill["at_work"] for kill in of))]))
    counts = Counter(kill["manner"] for kill in kills)
    lines.append("\t".join(["all rules", *(str(counts[m]) for m in MANNERS), str(sum(k["at_work"] for k in kills))]))
    for what in ("broken", "differ", "missing"):
        lines.append(f"kills with files that were {what}: {sum(bool(kill[what]) for kill in kills)}")
    parts, left = sum(kill["parts"] for kill in kills), kills[-1]["left"]
    lines.append(f"folders .part-*: {parts} after kills, {left} after the last rerun")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--times", type=int, default=1, help="kills of each rule")
    parser.add_argument("--rules", nargs="*", help="these rules alone")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    whole = Study(options.folder.absolute() / "whole")
    if not (whole.folder / ".snakemake" / "metadata").is_dir():
        whole.finish("all")
    killed = options.folder.absolute() / "killed"
    if not killed.is_dir():
        shutil.copytree(whole.folder, killed, symlinks=True)
    study, rules, record = Study(killed), whole.rules(), options.folder / "kills.json"
    kills = json.loads(record.read_text()) if record.is_file() else []
    done = Counter(kill["rule"] for kill in kills)
    for kind in options.rules or rules:
        for number in range(done[kind], options.times):
            kill = kill_once(whole, study, kind, rules[kind], random.Random(f"{options.seed} {kind} {number}"))
            if kill is None:
                print(f"{kind}: no job started", flush=True)
                continue
            kills.append(kill._asdict())
            record.write_text(json.dumps(kills, indent=1))
            print(*kill, sep="\t", flush=True)
    print(summary(kills))
    finished = "Nothing to be done" in study.finish("all")
    print("the whole study is found finished" if finished else "error: the whole study was not found finished")
    sys.exit(not finished or any(kill[what] for kill in kills for what in ("broken", "differ", "missing")))


if __name__ == "__main__":
    main()
