import os
from pathlib import Path

import pytest

from shared.machine import Share, share_out, usable_cpus, within_container
from shared.settings import Settings

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


@pytest.mark.parametrize(
    ("processes", "cpus", "share"),
    [(0, 8, Share(2, 4)), (0, 1, Share(1, 1)), (1, 8, Share(1, 8)), (4, 8, Share(4, 2))],
)
def test_few_processes_share_a_gpu(processes: int, cpus: int, share: Share) -> None:
    assert share_out(Settings(worker_processes=processes), cpus, on_gpu=True) == share


@pytest.mark.parametrize(
    ("files", "limit", "processes", "ceiling"),
    [
        ({}, 4000, 2, 4000),
        ({"memory.max": "max\n"}, 4000, 2, 4000),
        ({"memory.max": "4000\n"}, 4000, 2, 1800),
        ({"memory.max": "4000\n"}, 1000, 2, 1000),
        ({"memory.max": "4000\n"}, 0, 1, 3600),
        ({"memory/memory.limit_in_bytes": "2000\n"}, 4000, 1, 1800),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 4000, 1, 4000),
    ],
    ids=str,
)
def test_a_container_lowers_the_ceiling(
    tmp_path: Path, files: dict[str, str], limit: int, processes: int, ceiling: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert within_container(limit, processes, tmp_path) == ceiling
