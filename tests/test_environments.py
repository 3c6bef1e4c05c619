"""What the jobs run in: conda environments, images, environment modules. None of them can be built by a test."""

import os
import re
import shlex
import subprocess
import sys

import jsonschema
import pytest
import yaml
from rattler import Channel, MatchSpec

ENVIRONMENTS = ["core", "fsl", "imaging"]
SCHEMA = {
    "type": "object",
    "required": ["name", "channels", "dependencies"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^myelosynth-[a-z]+$"},
        "channels": {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
        # No object among them: pip has no section, Snakemake copies the file away from the pins.
        "dependencies": {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
    },
}
RULES = """
import sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings
for number, overlays in enumerate(sys.argv[2:]):
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        settings = ConfigSettings(configfiles=[Path(path).resolve() for path in overlays.split()])
        planned = api.workflow(ResourceSettings(), config_settings=settings, snakefile=Path(sys.argv[1]))
        workflow = planned._get_workflow(check_envvars=False)
        workflow.include(planned.snakefile, overwrite_default_target=True, print_compilation=False)
        for rule in workflow.rules:
            if not rule.norun:
                modules = rule.env_modules.names if rule.env_modules else []
                print("rule", number, rule.name, Path(rule.basedir, rule.conda_env).resolve(), *modules)
"""


@pytest.fixture(scope="module")
def rules(repository, tmp_path_factory):
    """The conda environment and the modules of every rule with a job, as Snakemake itself reads the workflow.

    Of the shipped configuration, of one with FSL's and ANTs' engines, and of the same where FSL comes from modules.
    """
    folder = tmp_path_factory.mktemp("site")
    engines, site = folder / "engines.yaml", folder / "site.yaml"
    engines.write_text("engines: {brain: bet, registration: flirt, n4: ants}")
    site.write_text("modules: {fsl: [gcc/12, fsl/6.0.7]}")
    (folder / "config").symlink_to(repository / "config")
    command = [sys.executable, "-c", RULES, repository / "Snakefile", "", str(engines), f"{engines} {site}"]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[dict[str, list[str]]] = [{}, {}, {}]
    for line in done.stdout.splitlines():
        if line.startswith("rule "):
            _, number, name, *values = line.split()
            found[int(number)][name] = values
    return found


def pip_lines(text: str) -> list[list[str]]:
    """What a recipe installs with pip, without the options that only spare disk or words."""
    calls = [shlex.split(line) for line in re.findall(r"(?m)^(?:RUN )?\s*(python -m pip install .*)$", text)]
    return [[word for word in call if word not in ("--quiet", "--no-cache-dir")] for call in calls]


@pytest.fixture(scope="session")
def scripts(repository):
    return [repository / "envs" / f"{name}.post-deploy.sh" for name in ENVIRONMENTS]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_follows_the_schema_and_every_pin_is_exact(repository, name):
    record = yaml.safe_load((repository / "envs" / f"{name}.yaml").read_text())
    jsonschema.validate(record, SCHEMA)
    assert record["name"] == f"myelosynth-{name}"
    assert record["channels"][-1] == "nodefaults"
    for channel in record["channels"][:-1]:
        assert Channel(channel).base_url.startswith("https://")
    for text in record["dependencies"]:
        spec = MatchSpec(text, strict=True)
        assert re.fullmatch(r"==[0-9]+(\.[0-9]+)+", str(spec.version)), text
        assert (spec.channel, spec.build, spec.subdir) == (None, None, None), text


def test_all_have_the_same_python_and_it_is_that_of_the_lock_and_of_the_images(repository):
    files = [repository / "envs" / f"{name}.yaml" for name in ENVIRONMENTS]
    files += [repository / "Dockerfile", repository / "myelosynth.def"]
    versions = {version for path in files for version in re.findall(r"python[=:]+([0-9.]+)", path.read_text())}
    assert len(versions) == 1
    python = versions.pop()
    assert python.startswith("3.11.")
    assert f"FROM python:{python}-slim-bookworm\n" in (repository / "Dockerfile").read_text()
    assert f"From: python:{python}-slim-bookworm\n" in (repository / "myelosynth.def").read_text()


def test_no_environment_or_script_is_without_the_other(repository):
    for suffix in (".yaml", ".post-deploy.sh"):
        assert sorted(path.name for path in (repository / "envs").glob(f"*{suffix}")) == [
            f"{name}{suffix}" for name in ENVIRONMENTS
        ]


def test_the_scripts_are_bash_and_say_the_same(scripts):
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)
    assert len({path.read_bytes() for path in scripts}) == 1


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_script_installs_the_checkout_from_the_working_directory(repository, tmp_path, name):
    """Snakemake copies both files to .snakemake/conda; the script runs in the working directory."""
    script = tmp_path / "0123_.post-deploy.sh"
    script.write_text((repository / "envs" / f"{name}.post-deploy.sh").read_text())
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    elsewhere = subprocess.run(["bash", script], cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert elsewhere.returncode == 1
    assert "error: not the top of the repository" in elsewhere.stderr
    assert not (tmp_path / "calls").exists()
    subprocess.run(["bash", script], cwd=repository, env=environment, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[-2:] for call in calls] == [["-r", "requirements.lock"], ["-e", "."]]


def test_images_and_environments_install_the_same(repository, scripts):
    recipes = [
        pip_lines(path.read_text()) for path in (*scripts, repository / "Dockerfile", repository / "myelosynth.def")
    ]
    assert len(recipes[0]) == 2
    assert all(recipe == recipes[0] for recipe in recipes)


def test_both_images_take_the_same_files(repository):
    kept = re.findall(r"(?m)^!(\S+)$", (repository / ".dockerignore").read_text())
    definition = (repository / "myelosynth.def").read_text()
    files = re.findall(r"(?m)^    (\S+) /opt/myelosynth/(\S+)$", definition)
    assert [(name, name) for name in sorted(kept)] == sorted(files)
    assert all((repository / name).exists() for name in kept)
    post = definition.split("%post\n")[1].split("%environment")[0]
    subprocess.run(["bash", "-n"], input=post, text=True, check=True)


def test_the_image_runs_the_command_as_nobody_special(repository):
    lines = (repository / "Dockerfile").read_text().splitlines()
    told = dict(line.split(" ", 1) for line in lines if line and line[0].isupper())
    assert told["ENTRYPOINT"] == '["myelosynth"]'
    assert told["USER"] == "1000:1000"


@pytest.mark.workflow
def test_every_rule_has_an_environment_that_exists(repository, rules):
    shipped = rules[0]
    assert len(shipped) > 60
    used = {str(repository / f"envs/{name}.yaml") for name in ("core", "imaging")}
    assert {environment for environment, *_ in shipped.values()} == used
    assert not any(modules for _, *modules in shipped.values())


@pytest.mark.workflow
def test_fsl_comes_from_its_environment_or_from_modules(repository, rules):
    for found, environment, modules in ((rules[1], "fsl", []), (rules[2], "imaging", ["gcc/12", "fsl/6.0.7"])):
        for name in ("extract_brain", "register_rigid", "register_image"):
            assert found[name] == [str(repository / f"envs/{environment}.yaml"), *modules]
        assert found["n4"] == [str(repository / "envs/imaging.yaml")]
