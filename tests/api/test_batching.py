"""The batcher."""

import asyncio
import secrets

import pytest
from uuid_utils.compat import uuid7

from api.intake.batcher import LARGEST_BATCH, Batcher
from api.services import Services
from shared.database import Database
from shared.jobs import queries as jobs_module
from shared.jobs.queries import queue_position
from shared.jobs.tables import Job, Priority

pytestmark = pytest.mark.anyio


class Slow:
    """Squares numbers and records the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await asyncio.sleep(0.01)
        if 13 in numbers:
            raise ValueError("13")
        return [number * number for number in numbers]


async def test_who_comes_alone_is_served_at_once_and_the_rest_together() -> None:
    slow = Slow()
    batcher = Batcher(slow)
    first = asyncio.create_task(batcher.add(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(batcher.add(number)) for number in (2, 3, 4)]
    assert await first == 1
    assert await asyncio.gather(*others) == [4, 9, 16]
    assert slow.batches == [[1], [2, 3, 4]]
    assert await batcher.add(5) == 25


async def test_batches_are_bounded() -> None:
    slow = Slow()
    batcher = Batcher(slow)
    numbers = [number for number in range(200) if number != 13]
    assert await asyncio.gather(*map(batcher.add, numbers)) == [number**2 for number in numbers]
    assert max(map(len, slow.batches)) == LARGEST_BATCH


async def test_a_batch_shares_its_failure_and_the_next_does_not() -> None:
    batcher = Batcher(Slow())
    results = await asyncio.gather(batcher.add(12), batcher.add(13), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    assert await batcher.add(2) == 4


async def test_one_who_gives_up_harms_nobody() -> None:
    batcher = Batcher(Slow())
    first = asyncio.create_task(batcher.add(1))
    second = asyncio.create_task(batcher.add(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 4
    assert await batcher.add(3) == 9


def new_job(client: str, priority: Priority = Priority.NORMAL, size: int = 1) -> Job:
    return Job(
        id=uuid7(),
        file_name="a.wav",
        file_key=secrets.token_hex(16),
        file_bytes=size,
        file_sha256="0" * 64,
        model="hi-ctc-base",
        transcript=True,
        waveform=True,
        max_attempts=3,
        client=client,
        priority=priority,
    )


async def places_of(services: Services, jobs: list[Job]) -> list[int | None]:
    return [place.position for place in await asyncio.gather(*map(services.inserts.add, jobs))]


async def test_jobs_of_one_batch_know_their_places(services: Services) -> None:
    jobs = [new_job("a") for _ in range(5)]
    assert sorted(await places_of(services, jobs[::-1])) == list(range(5))
    assert await places_of(services, [new_job("a")]) == [5]


async def test_clients_that_take_turns_know_their_places(services: Services, database: Database) -> None:
    await places_of(services, [new_job("a", size=10) for _ in range(20)])
    together = [
        new_job("b"),
        new_job("a", size=10),
        new_job("b", size=100),
        new_job("c", Priority.HIGH),
        new_job("b", Priority.LOW),
        new_job("d"),
    ]
    places = [place or 0 for place in await places_of(services, together)]
    with database.read() as session:
        assert places == [queue_position(session, job) for job in together]
    assert places[3] == 0, "the urgent one"
    assert max(places) == places[4] == 25, "the one that may wait"


async def test_far_places_are_not_counted(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "FARTHEST_PLACE", 3)
    assert await places_of(services, [new_job("a") for _ in range(3)]) == [0, 1, 2]
    assert await places_of(services, [new_job("a") for _ in range(3)]) == [3, 3, 3]
    assert await places_of(services, [new_job("a")]) == [3]
