"""Batch concurrent calls: one transaction costs about the same for one job as for fifty."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGEST_BATCH = 64


class Batcher(Generic[Item, Result]):
    """Passes items to ``handle`` in batches of those that arrived while the previous batch was running.

    If no batch is running, an item is handled at once: items are never delayed to fill a batch.
    """

    def __init__(self, handle: Callable[[list[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._handle = handle
        self._pending: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Return the result for ``item``. If ``handle`` raises, all items of its batch get the exception."""
        return await self.post(item)

    def post(self, item: Item) -> asyncio.Future[Result]:
        """Enqueue ``item`` without waiting for its result."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.append((item, future))
        if self._task is None:
            # A separate task: cancelling the request that came first must not affect the others.
            self._task = asyncio.create_task(self._run(), name="batcher")
        return future

    async def settle(self, seconds: float) -> None:
        """Wait until all items are handled, for at most ``seconds``."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)

    async def _run(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending[:LARGEST_BATCH], self._pending[LARGEST_BATCH:]
                await self._handle_batch(batch)
        finally:
            self._task = None

    async def _handle_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        futures = [future for _, future in batch]
        try:
            results = await self._handle([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - passed on to the callers
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in zip(futures, results, strict=True):
            if not future.done():
                future.set_result(result)
