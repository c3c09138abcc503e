"""How `make test` spreads the tests over processes.

One process runs a whole file, so that what its tests share is made once. Tests that share more than that are
named in `TOGETHER`. Files of long tests that share nothing are in `APART`: any process may run each test.
The marks of xdist for groups have no effect with pytest 9.2.
"""

import re

from xdist.scheduler import LoadScopeScheduling

SERVICE = r"stack/test_(main_job|bad_input|folder_upload|api_examples|batches|live)\.py::.*"
TOGETHER = {
    SERVICE + r"\[sqlite": "service on SQLite",
    SERVICE + r"\[postgres": "service on Postgres",
    r"stack/test_(logs|traces)\.py": "two jobs",
    r"browser/test_(?!web_files)": "page in a browser",
    r"ops/test_serve\.py::test_(a_long_path|a_data_folder|what_dies)": "running service",
    r"training/test_(text|apart|language_model)\.py": "corpora",
}
"""Units by the tests that they consist of."""

APART = re.compile(r"(stack/test_(restarts|main_job)|ops/test_(serve|demo)|worker/test_poison)\.py::")


def unit_of(test: str) -> str:
    """Name of the unit of tests that one process runs, by a test's node id."""
    for pattern, unit in TOGETHER.items():
        if re.search(pattern, test):
            return unit
    return test if APART.search(test) else test.split("::", 1)[0]


def is_long(test: str) -> bool:
    """Whether the test belongs to a unit that is to start early."""
    return unit_of(test) in TOGETHER.values() or APART.search(test) is not None


class Units(LoadScopeScheduling):
    """Hands out units one after another, in the order in which they are collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
