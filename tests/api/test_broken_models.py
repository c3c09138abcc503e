"""A model that cannot be used is refused when a recording is submitted, by every route that takes one."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.services import Services
from shared.errors import ModelBroken
from shared.model_check import FAMILIES, require_usable
from speech.recognisers import FAMILIES as RUN_BY_WORKERS
from tests.api.front_end import stored_files
from tests.speech.sounds import write_model

pytestmark = pytest.mark.anyio
AUDIO = b"RIFF"
ROUTES = ("/v1/jobs", "/v1/batches", "/transcribe/", "/v1/audio/transcriptions")


def change_card(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def write_no_json(folder: Path) -> None:
    (folder / "model.json").write_text("{", encoding="utf-8")


def lose_a_field(folder: Path) -> None:
    change_card(folder, blank_id="zero")


def lose_tokens(folder: Path) -> None:
    (folder / "tokens.txt").unlink()


def lose_graph(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def become_unknown(folder: Path) -> None:
    change_card(folder, family="rnnt")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (write_no_json, "model.json is not JSON"),
        (lose_a_field, "'blank_id' must be"),
        (lose_tokens, "tokens.txt"),
        (lose_graph, "model.onnx"),
        (become_unknown, "'rnnt'"),
    ],
)
async def test_it_is_refused_and_leaves_nothing(
    client: httpx.AsyncClient,
    services: Services,
    models_dir: Path,
    route: str,
    damage: Callable[[Path], None],
    said: str,
) -> None:
    folder = write_model(models_dir / "toy", name="toy")
    require_usable(folder)  # which may remember something of the folder as it was
    damage(folder)
    response = await client.post(route, files={"file": ("a.wav", AUDIO)}, data={"model": "toy"})
    body = response.json()
    if "error" in body:
        assert response.status_code == 400
        assert (body["error"]["code"], body["error"]["param"]) == ("model_broken", "model")
        message = body["error"]["message"]
    else:
        assert (response.status_code, body["code"]) == (422, "model_broken")
        message = body["detail"]
    assert said in message
    assert str(models_dir) not in response.text
    assert stored_files(services) == []


async def test_a_repaired_model_is_taken_at_once(client: httpx.AsyncClient, models_dir: Path) -> None:
    folder = write_model(models_dir / "toy", name="toy")
    become_unknown(folder)
    form = {"files": {"file": ("a.wav", AUDIO)}, "data": {"model": "toy"}}
    assert (await client.post("/v1/jobs", **form)).status_code == 422
    change_card(folder, family="ctc")
    assert (await client.post("/v1/jobs", **form)).status_code == 202


def test_a_front_end_needs_no_weights(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy")
    for name in ("model.onnx", "tokens.txt"):
        (folder / name).unlink()
    require_usable(folder)


def test_a_folder_without_a_list_of_files_is_not_looked_into(tmp_path: Path) -> None:
    require_usable(write_model(tmp_path / "toy", files=None))


def test_a_folder_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(ModelBroken, match=r"no model\.json"):
        require_usable(tmp_path / "absent")


def test_the_families_of_the_workers_are_known() -> None:
    assert set(RUN_BY_WORKERS) <= FAMILIES
