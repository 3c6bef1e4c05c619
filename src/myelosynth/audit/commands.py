"""Commands that Snakemake says were run, against those that say so themselves in their records."""

import shlex
from collections import Counter
from itertools import groupby

from myelosynth.audit.findings import Violation
from myelosynth.audit.lineage import Job, Lineage
from myelosynth.audit.record import ran

_PUNCTUATION = "();<>|&"
_SHOWN = 80


def commands_of(shell: str) -> list[str]:
    """The words after `myelosynth` of each command of a job's shell, as its record tells them.

    >>> commands_of("(myelosynth a 'x y' && torchrun -m myelosynth b) > a.log 2>&1")
    ["a 'x y'", 'b']
    """
    lexer = shlex.shlex(shell, posix=True, punctuation_chars=_PUNCTUATION)
    lexer.whitespace_split, lexer.commenters = True, ""
    found = []
    for mark, words in groupby(lexer, key=lambda word: bool(word) and not word.strip(_PUNCTUATION)):
        parts = list(words)
        if not mark and "myelosynth" in parts:
            told = parts[parts.index("myelosynth") + 1 :]
            found.append(ran([word for word in told if word != "--verbose"]))
    return found


def not_run(lineage: Lineage) -> list[Violation]:
    """Jobs that were touched, and those whose records are of other commands than Snakemake's.

    Studies with records of before there were commands in them are held to the first alone.
    """
    cure = "run the job again: snakemake --forcerun on its output"
    found = [
        Violation("touched, not run", job.touched[0], f"rule {job.rule} began and ended at {job.start}", cure)
        for job in lineage.jobs
        if job.touched
    ]
    if any(job.record and job.record.ran for job in lineage.jobs):
        for job in lineage.jobs:
            values = _difference(job)
            if values:
                found.append(Violation("another command than recorded", job.outputs[0], values, cure))
    return found


def _difference(job: Job) -> str | None:
    if job.record is None or not job.record.commands:  # told as such (audit/inventory.py)
        return None
    try:
        said = Counter(commands_of(job.command))
    except ValueError as fault:
        return f"Snakemake's command cannot be read: {fault}"
    told = Counter(job.record.ran)
    if said == told:
        return None
    alone = (next(iter(one - other), "nothing else")[:_SHOWN] for one, other in ((said, told), (told, said)))
    return "Snakemake ran {}, the log tells {}".format(*alone)
