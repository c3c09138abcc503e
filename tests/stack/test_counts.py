"""A fixed set of jobs takes as many statements, round trips, runs of the graph and files as before.

Fewer is an improvement, and more may be worth it: then write the new numbers with the command of the message.
"""

import json
import os
from pathlib import Path

import pytest

from tests.stack.counts import EXPECTED, WRITE, counts_on, differences


@pytest.mark.skipif(os.environ.get("SHRUTLEKH_TEST_FILES") == "s3", reason="counts what a folder costs")
@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="only Linux counts the bytes of a process")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_counts_are_as_expected(
    kind: str, request: pytest.FixtureRequest, redis_server: str, tmp_path: Path
) -> None:
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))[kind]
    found = counts_on(request.getfixturevalue(f"{kind}_url"), redis_server, tmp_path)
    lines = differences(expected, found)
    assert not lines, "\n".join([*lines, f"If this is meant to be so: {WRITE}"])
