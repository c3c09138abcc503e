"""Fixtures: an in-process front end, and a fake worker."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI

from api.services import Services
from shared.database import Database
from shared.settings import Settings
from tests.api.front_end import running
from tests.api.pretend_worker import PretendWorker


@pytest.fixture
def anyio_backend() -> str:
    """Use uvicorn's event loop."""
    return "asyncio"


@pytest.fixture
async def front_end(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A running front end with a client, on a fresh database: SQLite and Postgres in turn."""
    async with running(settings) as app_and_client:
        yield app_and_client


@pytest.fixture
def services(front_end: tuple[FastAPI, httpx.AsyncClient]) -> Services:
    """The services of the running front end."""
    services: Services = front_end[0].state.services
    return services


@pytest.fixture
def client(front_end: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of the running front end. An exception that no handler answers fails the test."""
    return front_end[1]


@pytest.fixture
def worker(database: Database, settings: Settings) -> Iterator[PretendWorker]:
    """Claims and ends jobs through the life cycle, as a worker does."""
    worker = PretendWorker(database, settings.redis_url)
    yield worker
    worker.close()
