"""What follows from the declaration of `pace`. tests/test_options.py runs these in a process of their own."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from shrutlekh_contract.options import RecognitionOptions

from shared.database import Database
from shared.jobs.tables import Job
from speech import Engine
from tests.api.front_end import AUDIO
from tests.client.fake_service import FakeService
from tests.client.test_cli import Run, shrutlekh  # noqa: F401 - a fixture
from tests.speech.sounds import speak
from tests.worker.jobs import recording
from worker.process import WorkerProcess
from worker.transcribe import answer

pytest_plugins = ["tests.api.conftest", "tests.client.conftest", "tests.worker.conftest"]
pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def post(client: httpx.AsyncClient, key: str | None = None, **form: str) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=form, headers=headers)


@on_sqlite
async def test_the_form_takes_it_and_the_job_keeps_it(client: httpx.AsyncClient, database: Database) -> None:
    chosen, default = (await post(client, pace="fast")).json(), (await post(client)).json()
    assert (chosen["pace"], default["pace"]) == ("fast", "slow")
    with database.read() as session:
        assert session.get_one(Job, uuid.UUID(chosen["id"])).options["pace"] == "fast"
    refused = await post(client, pace="even")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "pace")
    assert refused.json()["errors"][0]["message"] == "Input should be 'slow' or 'fast'."


@on_sqlite
async def test_the_openapi_document_describes_it(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path in ("/v1/jobs", "/transcribe/"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        assert content["multipart/form-data"]["schema"]["properties"]["pace"] == {
            "type": "string",
            "enum": ["slow", "fast"],
            "default": "slow",
            "description": "How fast people speak.",
        }
    assert document["components"]["schemas"]["JobOut"]["properties"]["pace"]["enum"] == ["slow", "fast"]


@on_sqlite
async def test_requests_with_one_key_must_agree_on_it(client: httpx.AsyncClient) -> None:
    first = await post(client, "k", pace="slow")
    assert (await post(client, "k")).json()["id"] == first.json()["id"], "it is the default"
    conflict = await post(client, "k", pace="fast")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")


def test_the_command_line_takes_and_sends_it(
    shrutlekh: Run,  # noqa: F811
    service: FakeService,
    tmp_path: Path,
) -> None:
    for command in ("submit", "transcribe"):
        _, out, _ = shrutlekh(command, "--help")
        assert "--pace" in out
        assert "How fast people speak in it." in out
    (tmp_path / "a.wav").write_bytes(b"a")
    submit = ["submit", tmp_path / "a.wav", "--url", service.url]
    assert shrutlekh(*submit, "--pace", "fast")[0] == 0
    assert service.forms[-1]["pace"] == "fast"
    assert shrutlekh(*submit, "--pace", "fast")[2].endswith("1 skipped.\n")
    assert shrutlekh(*submit, "--pace", "slow")[2].endswith("1 transcribed.\n")
    assert shrutlekh(*submit, "--pace", "even")[0] == 2


@on_sqlite
@pytest.mark.parametrize(("stored", "heard"), [({"pace": "fast"}, "fast"), ({}, "slow")])
def test_the_engine_gets_it(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    stored: dict[str, Any],
    heard: str,
) -> None:
    given: list[RecognitionOptions] = []
    decoder_for = Engine.decoder_for

    def listen(engine: Engine, options: RecognitionOptions) -> Any:
        given.append(options)
        return decoder_for(engine, options)

    monkeypatch.setattr(Engine, "decoder_for", listen)
    submit_file(recording(speak("नम")), options=stored)
    assert answer(process)
    assert [options.pace for options in given] == [heard]
