"""Doing together what arrives together."""

import asyncio

import pytest
from uuid_utils.compat import uuid7

from api.batching import LARGEST_BATCH, Batcher
from api.services import Services
from shared.tables import Job

pytestmark = pytest.mark.anyio


class Slow:
    """Squares numbers, and notes which came together."""

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


async def test_jobs_of_one_batch_know_their_places(services: Services) -> None:
    def new_job(number: int) -> Job:
        return Job(
            id=uuid7(),
            file_name=f"{number}.wav",
            file_key=f"key-{number}",
            file_bytes=1,
            file_sha256="0" * 64,
            model="hi-ctc-small",
            transcript=True,
            waveform=True,
            max_attempts=3,
        )

    jobs = [new_job(number) for number in range(5)]
    places = await asyncio.gather(*map(services.inserts.add, reversed(jobs)))
    assert sorted(places) == list(range(5))
    late = await services.inserts.add(new_job(9))
    assert late == 5
