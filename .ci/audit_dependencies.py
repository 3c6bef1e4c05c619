"""Are the installed packages those of requirements.lock, do they fit together, is any known to be vulnerable?

The first two are answered on this machine alone. The third asks the service of pip-audit; where that does not answer,
or is a mirror that knows no advisories, one line says that nothing was looked up: no failure, and no silent pass.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+]+)")
OURS = {"myelosynth", "pip"}


def plain(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> dict[str, str]:
    """Name to version of every line; ends the run at the first that is no exact pin."""
    pins: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        pin = PIN.fullmatch(line.strip())
        if pin is None or plain(pin[1]) in pins:
            sys.exit(f"error: not one exact pin, {path} line {number}, {line}, write NAME==VERSION once")
        pins[plain(pin[1])] = pin[2]
    return pins


def differences(pins: dict[str, str], installed: dict[str, str]) -> list[str]:
    """Pins that are not installed, or in another version; a local label such as +cpu is no other version."""
    return [
        f"{name}=={version}, installed {installed.get(name, 'not')}"
        for name, version in pins.items()
        if installed.get(name, "").partition("+")[0] != version
    ]


def advisories(pins: dict[str, str]) -> tuple[list[str], list[str], str]:
    """Known vulnerabilities, packages that could not be looked up, and why nothing was (empty where it was)."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in pins.items()))
        file.flush()
        command = ["pip-audit", "-r", file.name, "--no-deps", "--disable-pip", "--format", "json", "--timeout", "15"]
        done = subprocess.run([*command, "--progress-spinner", "off"], text=True, capture_output=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        return [], [], (done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode}"])[-1]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions'] or ['none'])}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    return found, [package["name"] for package in packages if "skip_reason" in package], ""


def main(lock: Path) -> None:
    pins = read_lock(lock)
    if sys.version_info[:2] == (3, 11):
        installed = {plain(one.metadata["Name"]): one.version for one in distributions()}
        if wrong := differences(pins, installed):
            sys.exit(f"error: installed packages are not those of {lock}, {'; '.join(wrong)}, run `make install`")
        more = sorted(set(installed) - set(pins) - OURS)
        print(
            f"dependencies: {len(pins)} pins installed as locked" + (f"; not locked: {', '.join(more)}" if more else "")
        )
    else:
        print(f"dependencies: {lock} is for Python 3.11, what is installed here is not held against it")
    fit = subprocess.run([sys.executable, "-m", "pip", "check"], text=True, capture_output=True)
    if fit.returncode:
        sys.exit(f"error: packages do not fit together, {'; '.join(fit.stdout.splitlines())}, mend the lock")
    # One package first: a mirror without advisories knows none, and needs not be asked for all.
    first = dict(list(pins.items())[:1])
    _, unknown, reason = advisories(first)
    if reason or unknown:
        why = reason or f"the registry that is set up here has no advisories ({unknown[0]} not found)"
        print(f"dependencies: NOT looked up for known vulnerabilities, {why}")
        return
    found, unknown, reason = advisories(pins)
    if found:
        sys.exit(f"error: known vulnerabilities, {lock}, {'; '.join(found)}, update these pins")
    told = f"; NOT looked up: {reason or ', '.join(unknown)}" if reason or unknown else ""
    print(
        f"dependencies: no known vulnerability in {0 if reason else len(pins) - len(unknown)} of {len(pins)} pins{told}"
    )


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[1])
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "requirements.lock"))
