"""Run the front end in process, without a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI
from shrutlekh_contract.decoders import LANGUAGE_MODEL

from api.app import create_app
from api.services import Services
from shared.settings import Settings
from tests.conftest import MODEL

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
    return [path.name for path in services.files.root.glob("??/*")]
