"""schemathesis sends what the OpenAPI document allows and forbids to every route, and checks every answer.

It covers routes from the document alone, so a new route needs nothing here. A text whose rules JSON schema
cannot express gets a `format` in the document and a strategy in schemathesis_hooks.py. For a longer run, with
other requests: `make schemathesis EXAMPLES=200 SEED=7`.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.database import Database
from shared.settings import Settings
from tests.api.front_end import give_language_model
from tests.api.keys import make_key
from tests.api.pretend_worker import PretendWorker
from tests.api.served import served, working
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.stack,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
EXAMPLES = os.environ.get("EXAMPLES") or "10"
SEED = os.environ.get("SEED") or "1"
BEAT_SECONDS = 2.0


@pytest.mark.timeout(3600)
def test_every_route_keeps_the_contract(
    settings: Settings, database: Database, worker: PretendWorker
) -> None:
    give_language_model(settings.models_dir)
    hasty = settings.model_copy(
        update={"max_wait_seconds": 0.05, "simple_wait_seconds": 5, "require_keys": "always"}
    )
    key = make_key(database)
    with served(hasty) as url, working(worker), present(worker):
        command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
        command += ["--config-file", "tests/api/schemathesis.toml"]
        command += ["run", f"{url}/openapi.json", "--max-examples", EXAMPLES]
        command += ["--header", f"Authorization: Bearer {key}"]
        command += ["--seed", SEED, "--generation-database", "none", "--continue-on-failure", "--no-color"]
        environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    selected, total = re.findall(r"Tested: (\d+)|Selected: \d+/(\d+)", done.stdout)
    assert selected[1] == total[0], done.stdout


@contextmanager
def present(worker: PretendWorker) -> Iterator[None]:
    """Let the worker's heart beat, so that the service is ready."""
    stopped = threading.Event()

    def beat() -> None:
        worker.beat()
        while not stopped.wait(BEAT_SECONDS):
            worker.beat()

    thread = threading.Thread(target=beat, name="heart")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(20)
