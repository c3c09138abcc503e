"""The data folder: existence, permissions, free space, file system."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from shrutlekh.quantities import size

from ops.doctor.findings import Area, Check, Finding, ok, problem, skipped, warning
from ops.installation import Installation

MOUNTS = Path("/proc/self/mounts")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse"}
)
PASSING = {
    "tmpfs": "in memory: all data is lost when the machine restarts",
    "ramfs": "in memory: all data is lost when the machine restarts",
    "overlay": "inside the container: all data is lost with it",
}
FEW_FILES = 10_000


def folder(installation: Installation) -> Finding:
    """Does it exist, and may this user write?"""
    data = installation.settings.data_dir.resolve()
    if not data.exists():
        return problem(
            f"The folder {data} does not exist.",
            "Set SHRUTLEKH_DATA_DIR (or --data) to the service's folder. In a new installation, create it: "
            "`shrutlekh serve`, or `python -m migrations`.",
        )
    for place in (data, installation.settings.files_dir):
        if place.exists():
            try:
                with tempfile.TemporaryFile(dir=place) as file:
                    file.write(b"1")
            except OSError as error:
                return problem(
                    f"Nothing can be written in {place}: {error.strerror}.",
                    f"Run this as the user of the service, or give the folder to it (this is user "
                    f"{os.getuid()}); look whether its disk is mounted read-only or full.",
                )
    return ok(f"{data} can be written.")


def room(installation: Installation) -> Finding:
    """Room for uploads beyond the reserve?"""
    settings = installation.settings
    free = shutil.disk_usage(settings.data_dir).free
    reserve, largest = settings.disk_reserve_bytes, settings.max_upload_bytes
    if settings.files_url:
        return _scratch_room(settings.scratch, largest)
    if free < reserve:
        return problem(
            f"{size(free)} are free, less than the reserve of {size(reserve)}: recordings are refused.",
            "Make room: `shrutlekh admin purge --older-than 30d`, SHRUTLEKH_RETENTION_DAYS, a larger disk.",
        )
    inodes = os.statvfs(settings.data_dir)
    if inodes.f_files and inodes.f_favail < FEW_FILES:
        return warning(
            f"The file system has only {inodes.f_favail:,} free inodes, one for each further file.",
            "Delete files, or create a file system with more inodes.",
        )
    if free < reserve + largest:
        return warning(
            f"{size(free)} are free: the largest upload, {size(largest)}, does not fit beside the reserve of "
            f"{size(reserve)}.",
            "Make room, or lower SHRUTLEKH_MAX_UPLOAD_BYTES.",
        )
    return ok(f"{size(free)} are free, {size(reserve)} of them in reserve.")


def _scratch_room(scratch: Path, largest: int) -> Finding:
    """Does a copy of the largest recording fit on the disk of the scratch files?"""
    while not scratch.exists():
        scratch = scratch.parent
    free = shutil.disk_usage(scratch).free
    if free < largest:
        return warning(
            f"{size(free)} are free for scratch files: a copy of the largest upload, {size(largest)}, does "
            "not fit, and each worker process needs one.",
            "Make room, set SHRUTLEKH_SCRATCH_DIR to a larger disk, or lower SHRUTLEKH_MAX_UPLOAD_BYTES.",
        )
    return ok(f"{size(free)} are free for scratch files.")


def file_system(installation: Installation) -> Finding:
    """Is it persistent, and can SQLite lock files on it?"""
    data = installation.settings.data_dir.resolve()
    kind = file_system_of(data, MOUNTS)
    if kind is None:
        return skipped("Its file system cannot be determined on this system.")
    if kind in PASSING:
        return warning(
            f"{data} is on {kind}, {PASSING[kind]}.",
            "Put it on a disk, or on a volume, unless this is a trial.",
        )
    if kind not in NETWORK:
        return ok(f"It is on {kind}.")
    if installation.is_sqlite:
        return problem(
            f"{data} is on {kind}, a network file system, where SQLite's locks and shared memory fail.",
            "Put it on a disk of this machine, or use Postgres (SHRUTLEKH_DATABASE_URL).",
        )
    return warning(
        f"{data} is on {kind}, a network file system.",
        "That works with Postgres, if all machines see a file as soon as one has written it.",
    )


def file_system_of(path: Path, mounts: Path) -> str | None:
    """Type of the file system of an absolute path; None if the mounts cannot be read."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found: tuple[int, str] | None = None
    for line in lines:
        _, place, kind, *_ = line.split(" ")
        place = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), place)
        if path.is_relative_to(place) and (found is None or len(place) >= found[0]):  # a later one hides it
            found = len(place), kind
    return found[1] if found else None


CHECKS = (
    Check(Area.DATA, "folder", folder),
    Check(Area.DATA, "room", room, needs=("folder",)),
    Check(Area.DATA, "file system", file_system, needs=("folder",)),
)
