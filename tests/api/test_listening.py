"""Recognition options in the form: decoder, hot-words, channels."""

import json
import uuid
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shrutlekh_contract.decoders import decoders_of
from shrutlekh_contract.hotwords import DEFAULT_WEIGHT, LONGEST, MOST, hotwords_of
from shrutlekh_contract.options import RecognitionOptions

from api.services import Services
from shared.database import Database
from shared.jobs.job_options import options_of
from shared.jobs.tables import Job
from speech import ModelFolder
from speech.decoding import language_model_file
from tests.api.front_end import AUDIO, give_language_model, stored_files, submit
from tests.api.pretend_worker import PretendWorker
from tests.conftest import ROOT

anyio_and_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
pytestmark = pytest.mark.anyio


async def post(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    return await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=form)


async def test_what_is_asked_for_is_kept_and_shown(
    client: httpx.AsyncClient, models_dir: Path, database: Database
) -> None:
    give_language_model(models_dir)
    response = await post(
        client,
        decoder="beam",
        channels="each",
        hotwords=" देहरादून, नई\u00a0 दिल्ली\r\nक\u093cलम ,, देहरादून\n",
        hotword_weight="2.5",
    )
    assert response.status_code == 202, response.text
    shown = {
        "decoder": "beam",
        "channels": "each",
        "hotwords": ["देहरादून", "नई दिल्ली", "क\u093cलम"],
        "hotword_weight": 2.5,
    }
    polled = (await client.get(response.headers["location"])).json()
    for job in (response.json(), polled):
        assert {name: job[name] for name in shown} == shown
    with database.read() as session:
        row = session.get_one(Job, uuid.UUID(polled["id"]))
        assert {name: options_of(row).json()[name] for name in shown} == shown


@anyio_and_sqlite
async def test_without_a_choice(client: httpx.AsyncClient) -> None:
    form = {"decoder": "", "channels": "", "hotwords": " ,\n", "hotword_weight": ""}
    for job in ((await post(client)).json(), (await post(client, **form)).json()):
        assert (job["decoder"], job["channels"]) == (None, "mix")
        assert (job["hotwords"], job["hotword_weight"]) == ([], None)


@anyio_and_sqlite
async def test_hot_words_have_a_weight_and_leave_the_decoder_to_the_engine(
    client: httpx.AsyncClient, models_dir: Path
) -> None:
    give_language_model(models_dir)
    job = (await post(client, hotwords="मसूरी")).json()
    assert (job["decoder"], job["hotword_weight"]) == (None, DEFAULT_WEIGHT)


@anyio_and_sqlite
async def test_as_many_and_as_long_as_may_be(client: httpx.AsyncClient, models_dir: Path) -> None:
    give_language_model(models_dir)
    words = [chr(0x915 + n % 32) + chr(0x915 + n // 32) * (LONGEST - 1) for n in range(MOST)]
    assert (await post(client, hotwords="\n".join(words))).json()["hotwords"] == words


@anyio_and_sqlite
@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"decoder": "magic"}, "decoder"),
        ({"channels": "left"}, "channels"),
        ({"hotwords": "Dehradun"}, "hotwords"),
        ({"hotwords": "मसूरी, घर5"}, "hotwords"),
        ({"hotwords": "५"}, "hotwords"),
        ({"hotwords": "घर।"}, "hotwords"),
        ({"hotwords": "घर-बार"}, "hotwords"),
        ({"hotwords": "\u093e"}, "hotwords"),
        ({"hotwords": "घर\x00"}, "hotwords"),
        ({"hotwords": "क" * (LONGEST + 1)}, "hotwords"),
        (
            {"hotwords": ",".join("क" + chr(0x915 + n % 32) + chr(0x915 + n // 32) for n in range(MOST + 1))},
            "hotwords",
        ),
        ({"hotwords": "मसूरी", "decoder": "greedy"}, "hotwords"),
        ({"hotwords": "मसूरी", "hotword_weight": "-1"}, "hotword_weight"),
        ({"hotwords": "मसूरी", "hotword_weight": "20.5"}, "hotword_weight"),
        ({"hotwords": "मसूरी", "hotword_weight": "nan"}, "hotword_weight"),
        ({"hotwords": "मसूरी", "hotword_weight": "much"}, "hotword_weight"),
        ({"hotword_weight": "2"}, "hotword_weight"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name_and_leaves_nothing(
    client: httpx.AsyncClient, services: Services, models_dir: Path, form: dict, field: str
) -> None:
    give_language_model(models_dir)
    response = await post(client, **form)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request"), response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert stored_files(services) == []


@anyio_and_sqlite
@pytest.mark.parametrize("form", [{"decoder": "beam"}, {"hotwords": "मसूरी"}])
async def test_a_model_without_a_language_model_has_no_beam_search(
    client: httpx.AsyncClient, services: Services, form: dict
) -> None:
    response = await post(client, **form)
    assert (response.status_code, response.json()["code"]) == (422, "decoder_unavailable")
    assert stored_files(services) == []
    assert (await post(client, decoder="greedy")).status_code == 202


@anyio_and_sqlite
async def test_models_tell_their_decoders(client: httpx.AsyncClient, models_dir: Path) -> None:
    give_language_model(models_dir)
    (model,) = (await client.get("/v1/models")).json()["models"]
    assert model["decoders"] == ["greedy", "beam"]


@anyio_and_sqlite
@pytest.mark.parametrize(
    ("named", "has_language_model", "default"),
    [("beam", True, "beam"), ("beam", False, "greedy"), ("magic", True, "greedy"), (None, True, "greedy")],
)
async def test_models_tell_their_default_decoder(
    client: httpx.AsyncClient,
    models_dir: Path,
    named: str | None,
    has_language_model: bool,
    default: str,
) -> None:
    card = next(models_dir.glob("*/model.json"))
    entries = json.loads(card.read_text(encoding="utf-8"))
    card.write_text(json.dumps(entries | {"decoding": {} if named is None else {"decoder": named}}))
    if has_language_model:
        give_language_model(models_dir)
    (model,) = (await client.get("/v1/models")).json()["models"]
    assert model["default_decoder"] == default


@anyio_and_sqlite
async def test_a_retry_listens_in_the_same_way(
    client: httpx.AsyncClient, worker: PretendWorker, models_dir: Path
) -> None:
    give_language_model(models_dir)
    job_id = await submit(client, channels="each", hotwords="मसूरी", hotword_weight="3")
    worker.fail("attempts_exhausted", "It went wrong.")
    job = (await client.post(f"/v1/jobs/{job_id}/retry")).json()
    assert (job["channels"], job["hotwords"], job["hotword_weight"]) == ("each", ["मसूरी"], 3.0)


def test_the_api_and_the_engine_mean_the_same() -> None:
    assert RecognitionOptions(hotwords=("मसूरी",)).settled().hotword_weight == DEFAULT_WEIGHT
    for folder in (ROOT / "models").glob("*/model.json"):
        assert ("beam" in decoders_of(folder.parent)) == language_model_file(
            ModelFolder.load(folder.parent)
        ).is_file()


@given(st.text(st.sampled_from("कखा्ं़\u200d ,\n5a।"), max_size=30))
def test_hot_words_are_refused_or_fit(text: str) -> None:
    try:
        words = hotwords_of(text)
    except ValueError:
        assert set(text) - set(" ,\n") or len(text) > LONGEST
        return
    assert len(set(words)) == len(words)
    assert hotwords_of(",".join(words)) == words
    assert not set("".join(words)) & set("5a।,\n")
