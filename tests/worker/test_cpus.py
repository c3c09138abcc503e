import os
from pathlib import Path

import pytest

from shared.settings import Settings
from worker.cpus import Share, share_out, usable_cpus

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, ALLOWED),
        ({"cpu.max": "max 100000\n"}, ALLOWED),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "100000000 100000\n"}, ALLOWED),
        ({"cpu.max": "nonsense\n"}, ALLOWED),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALLOWED),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
    ids=str,
)
def test_the_container_counts(tmp_path: Path, files: dict[str, str], cpus: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path) == cpus


@pytest.mark.parametrize(
    ("processes", "threads", "cpus", "share"),
    [
        (0, 0, 8, Share(8, 1)),
        (2, 0, 8, Share(2, 4)),
        (3, 0, 8, Share(3, 2)),
        (16, 0, 8, Share(16, 1)),
        (0, 4, 2, Share(2, 4)),
    ],
)
def test_cpus_are_shared_out(processes: int, threads: int, cpus: int, share: Share) -> None:
    assert share_out(Settings(worker_processes=processes, worker_threads=threads), cpus) == share
