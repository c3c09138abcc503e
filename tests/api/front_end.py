"""Run the front end in process, without a network."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from shrutlekh_contract.decoders import LANGUAGE_MODEL

from api.__main__ import DRAIN_SECONDS, Server
from api.app import create_app
from api.services import Services
from shared.files import FolderStore
from shared.settings import Settings
from tests.conftest import MODEL

NO_LIMITS = httpx.Limits(max_connections=None)
AUDIO = b"RIFF" + bytes(range(256)) * 10


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Run a front end with these settings. Yields the application and a client."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=20) as client,
    ):
        yield app, client


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """Run a front end on a port of its own, as ``python -m api`` does. Yields the server and a client.

    The in-process transport of httpx returns a response only when it is complete.
    """
    app = create_app(settings)
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=DRAIN_SECONDS)
    server = Server(app, config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=url, timeout=20, limits=NO_LIMITS) as client:
            yield server, client
        server.should_exit = True
        await task


async def submit(client: httpx.AsyncClient, name: str = "a.wav", **form: str) -> str:
    """Submit a recording and return its job's id."""
    response = await client.post("/v1/jobs", files={"file": (name, AUDIO)}, data=form)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def give_language_model(models_dir: Path) -> None:
    """Make the default model look as if it had a language model, so that it offers beam search."""
    (models_dir / MODEL / LANGUAGE_MODEL).mkdir()


def stored_files(services: Services) -> list[str]:
    """List all files in the store, including partial ones."""
    if isinstance(services.files, FolderStore):
        return [path.name for path in services.files.root.glob("??/*")]
    return list(services.files.keys())
