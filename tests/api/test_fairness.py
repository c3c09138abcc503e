"""Fairness: clients take turns, so that a client with a single recording overtakes an archive."""

import secrets

import httpx
import pytest
from uuid_utils.compat import uuid7

from shared.database import Database
from shared.jobs.tables import Job, Priority
from shared.jobs.verbs import submit
from tests.api.front_end import AUDIO
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio

MANY = 10_000


def queue_many(database: Database, client: str, count: int) -> None:
    """Insert jobs of one client directly into the database, for speed."""
    for start in range(0, count, 1000):
        with database.write() as session:
            submit(
                session,
                *(
                    Job(
                        id=uuid7(),
                        file_name="a.wav",
                        file_key=secrets.token_hex(16),
                        file_bytes=100_000 + 37 * (number % 1000),
                        file_sha256="0" * 64,
                        model="hi-ctc-base",
                        transcript=True,
                        waveform=True,
                        max_attempts=3,
                        client=client,
                        priority=Priority.NORMAL,
                    )
                    for number in range(start, min(start + 1000, count))
                ),
            )


async def send(client: httpx.AsyncClient, who: str, priority: str = "normal") -> tuple[str, int]:
    """Submit a recording and return its job's id and position."""
    form = {"client": who, "priority": priority}
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO * 40)}, data=form)
    assert response.status_code == 202, response.text
    return response.json()["id"], response.json()["position"]


def claims_until(worker: PretendWorker, wanted: set[str]) -> dict[str, int]:
    """Count the claims up to and including that of each wanted job."""
    claims: dict[str, int] = {}
    number = 0
    while len(claims) < len(wanted):
        number += 1
        assert number < 200, f"still waiting for {len(wanted) - len(claims)}"
        job_id = str(worker.claim().id)
        if job_id in wanted:
            claims[job_id] = number
    return claims


async def test_ten_thousand_recordings_do_not_hold_up_one(
    client: httpx.AsyncClient, database: Database, worker: PretendWorker
) -> None:
    queue_many(database, "archive", MANY)
    worker.claim()
    worker.claim()  # two workers are busy with the archive
    single, position = await send(client, "journalist")
    ten = [await send(client, "researcher") for _ in range(10)]
    late, _ = await send(client, "archive")
    waits = claims_until(worker, {single, *(job_id for job_id, _ in ten)})
    waits_of_ten = sorted(waits[job_id] for job_id, _ in ten)
    print(f"claims until the single recording: {waits[single]}; until the ten: {waits_of_ten}")
    assert waits[single] <= 2
    assert position == waits[single] - 1, "the place that it was told"
    assert waits_of_ten[0] <= 3
    assert waits_of_ten[-1] <= 2 * 10 + 3, "every second turn, with three who take turns in the beginning"
    place = (await client.get(f"/v1/jobs/{late}")).json()["position"]
    assert MANY - 30 < place <= 10_000, "who came with many waits for his own"


async def test_high_overtakes_all_and_low_waits(
    client: httpx.AsyncClient, database: Database, worker: PretendWorker
) -> None:
    queue_many(database, "archive", 50)
    low, low_position = await send(client, "journalist", "low")
    normal, _ = await send(client, "researcher")
    high, high_position = await send(client, "archive", "high")
    assert (high_position, low_position) == (0, 50)
    waits = claims_until(worker, {high, normal, low})
    assert waits[high] == 1
    assert waits[normal] <= 3
    assert waits[low] == 53
