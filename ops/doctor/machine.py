"""The machine: Python, environment variables, open files, memory."""

import difflib
import os
import platform
import resource
import sys
from pathlib import Path

from shrutlekh.quantities import counted, size

from ops.doctor.findings import Area, Check, Finding, ok, problem, processes, skipped, warning
from ops.installation import Installation
from shared.machine import CGROUP, container_bytes, share_of, share_out, usable_cpus, within_container
from shared.settings import Settings
from shared.version import VERSION
from speech import usable_gpu_memory

NEEDED_PYTHON = (3, 11)
ENOUGH_FILES = 1024
MIB = 2**20
# Variables that begin with SHRUTLEKH_ and are not settings of the service.
OTHER_VARIABLES = frozenset(
    {
        "SHRUTLEKH_URL",
        "SHRUTLEKH_API_KEY",
        "SHRUTLEKH_API_KEY_FILE",
        "SHRUTLEKH_ENV_FILE",
        "SHRUTLEKH_SPEECH_DIR",
        "SHRUTLEKH_DOCKER_KIT",
    }
)


def python_version(_: Installation) -> Finding:
    """New enough?"""
    version = platform.python_version()
    if sys.version_info[:2] < NEEDED_PYTHON:
        return problem(f"This is Python {version}.", "Install Python 3.11 or newer and recreate .venv.")
    return ok(f"Shrutlekh {VERSION} on Python {version}.")


def variables(_: Installation) -> Finding:
    """A misspelt setting would be ignored silently."""
    known = {f"SHRUTLEKH_{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    unknown = sorted(name for name in os.environ if name.startswith("SHRUTLEKH_") and name not in known)
    if not unknown:
        given = sum(name in known for name in os.environ)
        return ok(f"{counted(given, 'setting')} in the environment, all known.")
    near = {name: difflib.get_close_matches(name, known, 1) for name in unknown}
    meant = "; ".join(f"{name}: did you mean {close[0]}?" for name, close in near.items() if close)
    return warning(
        f"Unknown settings, which have no effect: {', '.join(unknown)}.",
        meant or "Remove them, or look the names up in docs/settings.md.",
    )


def open_files(_: Installation) -> Finding:
    """Each upload and each waiting request holds a file or a connection open."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return ok("A process may open any number of files.")
    if limit >= ENOUGH_FILES:
        return ok(f"A process may open {limit:,} files.")
    room = "" if hard == resource.RLIM_INFINITY else f" (up to {hard:,} without root)"
    return warning(
        f"A process may open only {limit:,} files: a few hundred clients that wait at once use them up.",
        f"Raise it where the API is started: `ulimit -n 65536`{room}, or LimitNOFILE= of its unit.",
    )


def processes_here(installation: Installation) -> int:
    """Count the processes that a worker on this machine would have."""
    on_gpu = usable_gpu_memory(installation.settings.device) is not None
    return share_out(installation.settings, usable_cpus(), on_gpu=on_gpu).processes


def memory(installation: Installation) -> Finding:
    """Do the ceilings of all worker processes fit into the memory?"""
    available = memory_bytes(CGROUP)
    if available is None:
        return skipped("The amount of memory cannot be determined on this system.")
    count = processes_here(installation)
    ceiling = within_container(installation.settings.worker_memory_bytes, count)
    if ceiling == 0:
        return warning(
            "Worker processes may allocate without a limit: a recording that swells can stop the machine.",
            f"Set SHRUTLEKH_WORKER_MEMORY_BYTES, to {_share(available, count)} for example.",
        )
    said = f"{processes(count)} of up to {size(ceiling)}"
    if ceiling * count <= available:
        return ok(f"{said} fit into the {size(available)} of memory.")
    return warning(
        f"{said} do not fit into {size(available)} of memory: if recordings swell, the kernel ends processes "
        "before they can say so, and their jobs start again when their leases run out.",
        f"If workers run here: SHRUTLEKH_WORKER_MEMORY_BYTES={_share(available, count)}, or fewer "
        "SHRUTLEKH_WORKER_PROCESSES.",
    )


def memory_bytes(cgroup: Path) -> int | None:
    """Memory of this process's machine or container in bytes; None if unknown."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    return min(machine, container_bytes(cgroup) or machine)


def _share(available: int, count: int) -> int:
    """Each process's share of a container's memory, in whole MiB."""
    return share_of(available, count) // MIB * MIB


CHECKS = (
    Check(Area.MACHINE, "python", python_version),
    Check(Area.MACHINE, "variables", variables),
    Check(Area.MACHINE, "open files", open_files),
    Check(Area.MACHINE, "memory", memory),
)
