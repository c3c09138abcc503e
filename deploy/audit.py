"""``make audit``: what is locked is pinned and hashed, has known licences and no known vulnerabilities.

The first two need nothing but the installed packages. The third asks OSV, then PyPI, through pip-audit. Where
neither can be asked a line says so, and that alone is no failure: ``make lint`` must run in a closed network.
"""
# ruff: noqa: S603, T201

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (ROOT / "requirements.lock", *sorted((ROOT / "deploy").glob("*.lock")))
"""The first holds all of the others."""

ASK_SECONDS = 600

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
    "Zlib",
}

SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache licensed, as found in the LICENSE file": "Apache-2.0",
    "Apache": "Apache-2.0",  # kubernetes-validate, whose LICENSE is that
    "BSD License": "BSD",
    "BSD licensed, as found in the LICENSE file": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}

NAMED = {
    "axe-playwright-python": "no licence in its metadata; its LICENSE is MIT, axe-core in it MPL-2.0",
    "pgserver": "no licence in its metadata; its LICENSE is Apache-2.0, its Postgres has Postgres' own",
    "psycopg": "LGPL-3.0: used unchanged, a file that anybody can replace",
    "psycopg-binary": "LGPL-3.0: the same",
    "soxr": "LGPL-2.1-or-later: the same",
}
"""Packages outside of `ALLOWED`, and why they are here all the same."""

GPL_LIBRARY = re.compile(
    r"^lib(?:x264|x265|xvidcore|vidstab|rubberband|postproc|readline|gdbm|fdk-aac|zvbi)\b"
)
GPL_NAMED = {
    ("av", "libx264"): "a video encoder in PyAV's FFmpeg; see docs/licences.md",
    ("av", "libx265"): "the same",
}
"""Libraries under the GPL inside of wheels whose own metadata names another licence."""


@dataclass(slots=True)
class Audit:
    """What was found: ``problems`` fail the run, ``notes`` do not."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def requirements(lock: str) -> Iterator[tuple[str, bool]]:
    """Each requirement of a lock file, and whether a SHA-256 stands with it."""
    for line in re.sub(r"\\\n", " ", lock).splitlines():
        if (line := line.split(" #")[0].strip()) and not line.startswith("#"):
            yield line.split(" --hash=")[0].strip(), bool(re.search(r"--hash=sha256:[0-9a-f]{64}\b", line))


def check_pins(name: str, lock: str, audit: Audit) -> dict[str, str]:
    """Every line is one exact version with its hash. Returns names and versions of those for this machine."""
    here: dict[str, str] = {}
    for text, is_hashed in requirements(lock):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            audit.problems.append(f"{name}: {text} is not a pinned requirement")
            continue
        package = canonicalize_name(requirement.name)
        version = next((one.version for one in requirement.specifier if one.operator == "=="), "")
        if not version or "*" in version or requirement.url:
            audit.problems.append(f"{name}: {package} is not pinned to one version")
        if not is_hashed:
            audit.problems.append(f"{name}: {package} has no SHA-256")
        if requirement.marker is None or requirement.marker.evaluate():
            if package in here:
                audit.problems.append(f"{name}: {package} is locked twice")
            here[package] = version
    return here


def licence_of(package: metadata.PackageMetadata) -> str:
    """The SPDX expression, as far as the metadata allows; "" where it names none."""
    for expression in package.get_all("License-Expression") or ():
        return str(expression)
    classifiers = [one.split(" :: ") for one in package.get_all("Classifier") or ()]
    named = [parts[-1] for parts in classifiers if parts[0] == "License" and parts[-1] != "DFSG approved"]
    named = named or (package.get_all("License") or [""])[0].strip().splitlines()[:1]
    return " AND ".join(SPELLINGS.get(one, one) for one in named)


def is_allowed(expression: str) -> bool:
    """Whether one of the alternatives consists of allowed licences alone. Parentheses are refused."""
    alternatives = [alternative.split(" AND ") for alternative in expression.split(" OR ")]
    return any(all(part in ALLOWED for part in parts) for parts in alternatives)


def check_licences(locked: dict[str, str], audit: Audit) -> None:
    """Every locked package is installed in its version, under a licence of the list or by name."""
    licences: dict[str, list[str]] = defaultdict(list)
    for name, version in locked.items():
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            audit.problems.append(f"{name} is locked and not installed: make setup")
            continue
        if package.version != version:
            audit.problems.append(
                f"{name} is installed in {package.version}, locked in {version}: make setup"
            )
        licence = licence_of(package.metadata)
        licences[licence or "none named"].append(name)
        if not is_allowed(licence) and name not in NAMED:
            audit.problems.append(f"{name}: licence {licence or 'none named'} is not on the list")
        check_libraries(name, (file.name for file in package.files or ()), audit)
    audit.notes += [f"{licence}: {', '.join(licences[licence])}" for licence in sorted(licences)]
    audit.notes += [f"by name, {name}: {why}" for name, why in NAMED.items() if name in locked]


def check_libraries(package: str, files: Iterable[str], audit: Audit) -> None:
    """No library under the GPL hides in a wheel."""
    for library in sorted({found[0] for file in files if (found := GPL_LIBRARY.match(file))}):
        if why := GPL_NAMED.get((package, library)):
            audit.notes.append(f"inside {package}, {library}: {why}")
        else:
            audit.problems.append(f"{package} brings {library}, which is under the GPL")


def check_vulnerabilities(lock: Path, osv_url: str | None, audit: Audit) -> None:
    """Ask OSV, then PyPI. pip-audit ends well even where it could look nothing up, so its report is read."""
    if find_spec("pip_audit") is None:
        audit.notes.append("NOT CHECKED for vulnerabilities: pip-audit is not installed")
        return
    osv = ["--vulnerability-service", "osv", *(["--osv-url", osv_url] if osv_url else [])]
    for service in (osv, ["--vulnerability-service", "pypi"]):
        report = ask(lock, service)
        checked = [one for one in report if "skip_reason" not in one]
        if checked:
            audit.problems += [
                f"{one['name']} {one['version']}: {flaw['id']},"
                f" mended in {', '.join(flaw['fix_versions']) or 'no version'}"
                for one in checked
                for flaw in one["vulns"]
            ]
            skipped = [one["name"] for one in report if "skip_reason" in one]
            audit.notes.append(f"vulnerabilities: {service[1]} was asked about {len(checked)} packages")
            if skipped:
                audit.notes.append(f"NOT CHECKED for vulnerabilities: {', '.join(skipped)}")
            return
    audit.notes.append(
        "NOT CHECKED for vulnerabilities: neither OSV nor PyPI's service can be asked from here"
    )


def ask(lock: Path, service: list[str]) -> list[dict[str, Any]]:
    """pip-audit's report by package; empty when it could not make one."""
    line = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        str(lock),
        "--require-hashes",
        "--disable-pip",
    ]
    options = ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*line, *options, *service], capture_output=True, text=True, timeout=ASK_SECONDS
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return []
    return found


def main() -> int:
    """Print notes, then problems; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--osv-url", help="another address of OSV's query interface, as of a mirror")
    arguments = parser.parse_args()
    audit = Audit()
    locked: dict[str, str] = {}
    for path in LOCKS:
        found = check_pins(path.name, path.read_text(encoding="utf-8"), audit)
        locked = locked or found
    check_licences(locked, audit)
    check_vulnerabilities(LOCKS[0], arguments.osv_url, audit)
    for note in audit.notes:
        print(note)
    for problem in audit.problems:
        print(f"PROBLEM: {problem}", file=sys.stderr)
    print(f"{len(locked)} packages for this machine, {len(audit.problems)} problems")
    return 1 if audit.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
