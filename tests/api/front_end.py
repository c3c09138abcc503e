"""Running a front end without a network."""

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
    """A front end with these settings and a client of it."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=20) as client,
    ):
        yield app, client


async def submit(client: httpx.AsyncClient, name: str = "a.wav", **form: str) -> str:
    """Submit a recording; its job's id."""
    response = await client.post("/v1/jobs", files={"file": (name, AUDIO)}, data=form)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def give_language_model(models_dir: Path) -> None:
    """Let the default model look as if it had a language model, and so beam search."""
    (models_dir / MODEL / LANGUAGE_MODEL).mkdir()


def stored_files(services: Services) -> list[str]:
    """Names of all files in the store, partial ones too."""
    return [path.name for path in services.files.root.glob("??/*")]
