"""Doing together what arrives together: a transaction costs about the same for one job as for fifty."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGEST_BATCH = 64


class Batcher(Generic[Item, Result]):
    """Hands items to ``handle`` in batches: those that came while the batch before was under way.

    An item that comes alone is handled at once, so nobody waits for company.
    """

    def __init__(self, handle: Callable[[list[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._handle = handle
        self._pending: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """The result for ``item``. If ``handle`` raises, all items of the batch get its exception."""
        return await self.post(item)

    def post(self, item: Item) -> asyncio.Future[Result]:
        """As :meth:`add`, for those who need not wait."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.append((item, done))
        if self._task is None:
            # A task of its own: whoever came first may be cancelled without harm to the others.
            self._task = asyncio.create_task(self._work_off(), name="batcher")
        return done

    async def settle(self, seconds: float) -> None:
        """Wait until no item is left, so many seconds at most."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)

    async def _work_off(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending[:LARGEST_BATCH], self._pending[LARGEST_BATCH:]
                await self._settle(batch)
        finally:
            self._task = None

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        waiting = [done for _, done in batch]
        try:
            results = await self._handle([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - it goes to those who wait
            for done in waiting:
                if not done.done():
                    done.set_exception(error)
            return
        for done, result in zip(waiting, results, strict=True):
            if not done.done():
                done.set_result(result)
