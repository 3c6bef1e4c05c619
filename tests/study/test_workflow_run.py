"""Snakemake as `apply` and `run` start it: one run a folder, and none in the checkout."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from myelosynth.errors import InputError
from myelosynth.study.workflow_run import LOCK, WorkflowRun


def test_a_folder_without_the_workflow_is_told(tmp_path):
    with pytest.raises(InputError, match=r"workflow missing, .*name one with --workflow"):
        WorkflowRun("run", "all", tmp_path, tmp_path / "out", {}).start(dry=False)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def checkout(tmp_path):
    """A workflow of one job, which waits until the job of the other run has begun, or 20 seconds."""
    folder = tmp_path / "checkout"
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("output: nowhere\nwait: n/a\n")
    (folder / "Snakefile").write_text(
        'configfile: "config/config.yaml"\n'
        "rule apply:\n"
        "    output: config['output'] + '/done'\n"
        "    params: wait=config['wait']\n"
        "    shell: 'touch {output}.begun; for i in $(seq 900); do [ -e {params.wait} ] && touch {output} && exit 0;"
        " sleep 0.2; done; exit 1'\n"
    )
    return folder


def test_a_bundle_brings_no_configuration_that_runs_code(checkout, tmp_path):
    """Snakemake evaluates the expressions of a YAML file that says `__use_yte__`."""
    brought = tmp_path / "preprocessing.yaml"
    settings, options = {"output": str(tmp_path / "out")}, ["--cores", "1"]
    for text in ("__use_yte__: true\nwait: ?open('{ran}', 'w')\n", "wait: !!python/object/apply:open ['{ran}', 'w']\n"):
        brought.write_text(text.replace("{ran}", str(tmp_path / "ran")))
        with pytest.raises(InputError, match=r"YAML asks to run code|not valid YAML"):
            WorkflowRun("apply", "apply", checkout, tmp_path / "out", settings, [brought], options).start(dry=True)
        assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def ran(checkout, out, waits_for="n/a", dry=False):
    settings = {"output": str(out), "wait": str(waits_for)}
    WorkflowRun("apply", "apply", checkout, out, settings, [], ["--cores", "1", "--quiet", "all"]).start(dry)


def test_runs_into_different_folders_work_side_by_side(checkout, tmp_path):
    """Each job waits for the other: a lock on the checkout would stop one of the runs."""
    before = sorted(checkout.rglob("*"))
    a, b = tmp_path / "a", tmp_path / "b"
    with ThreadPoolExecutor() as pool:
        for run in [pool.submit(ran, checkout, *pair) for pair in ((a, b / "done.begun"), (b, a / "done.begun"))]:
            run.result()
    assert (a / "done").is_file()
    assert (b / "done").is_file()
    assert (a / ".snakemake").is_dir()
    assert sorted(checkout.rglob("*")) == before, "the checkout is only read"


def test_the_same_folder_twice_at_once_is_one_line(checkout, tmp_path):
    out = tmp_path / "out"
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ran, checkout, out, tmp_path / "go")
        while not (out / "done.begun").exists() and not first.done():
            time.sleep(0.05)
        with pytest.raises(
            InputError, match=rf"results in use, .*process {os.getpid()} on .*give another folder"
        ) as told:
            ran(checkout, out, tmp_path / "go")
        assert "\n" not in str(told.value)
        ran(checkout, out, dry=True)
        (tmp_path / "go").touch()
        first.result()
    (out / "done").unlink()
    ran(checkout, out, tmp_path / "go")
    assert (out / "done").is_file(), "the folder is free again"


def test_a_run_that_was_killed_does_not_lock_its_folder(checkout, tmp_path):
    out = tmp_path / "out"
    code = (
        "from pathlib import Path; from myelosynth.study.workflow_run import WorkflowRun\n"
        f"settings = {{'output': {str(out)!r}, 'wait': '/nowhere'}}\n"
        f"checkout, out = Path({str(checkout)!r}), Path({str(out)!r})\n"
        "WorkflowRun('run', 'apply', checkout, out, settings, [], ['--cores', '1']).start(dry=False)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (out / "done.begun").exists() and run.poll() is None:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    # Snakemake, killed with its parent, may need a moment to be gone.
    with (out / LOCK).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    (tmp_path / "go").touch()
    ran(checkout, out, tmp_path / "go")
    assert (out / "done").is_file()


def test_a_folder_in_which_snakemake_runs_by_hand_is_in_use(checkout, tmp_path):
    out = tmp_path / "out"
    code = "from pathlib import Path; from myelosynth.study.runs import stay_alone\n"
    code += f"stay_alone(Path({str(out)!r}, '.snakemake'))"
    byhand = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('held', flush=True); input()"], stdin=-1, stdout=-1
    )
    assert byhand.stdout.readline() == b"held\n"
    with pytest.raises(InputError, match=rf"results in use, .*process {byhand.pid} on"):
        ran(checkout, out)
    byhand.communicate(b"\n")
    (tmp_path / "go").touch()
    ran(checkout, out, tmp_path / "go")
