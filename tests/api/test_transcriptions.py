"""POST /v1/audio/transcriptions and GET /v1/models with OpenAI's own Python client."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.audio import (
    Transcription,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionVerbose,
)
from shrutlekh_contract.declarations import Form
from shrutlekh_contract.options import options_in

from api.intake.openai_form import ALIASES
from shared.database import Database
from shared.jobs import Job, Selection, page_of_jobs
from shared.jobs.job_options import options_of
from shared.settings import Settings
from tests.api.front_end import AUDIO, give_language_model
from tests.api.pretend_worker import NUMBERS, SEGMENTS, PretendWorker
from tests.api.served import served, working

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FILE = ("a.wav", AUDIO)
TEXT = "नमस्ते दुनिया हाँ"
Create = Callable[..., Any]


@pytest.fixture
def url(settings: Settings, models_dir: Path) -> Iterator[str]:
    give_language_model(models_dir)
    with served(settings) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        yield client


@pytest.fixture
def create(client: OpenAI, worker: PretendWorker) -> Iterator[Create]:
    """Transcribe AUDIO while a worker works."""

    def create(**arguments: Any) -> Any:
        return client.audio.transcriptions.create(**{"file": FILE, "model": "whisper-1"} | arguments)

    with working(worker):
        yield create


def jobs(database: Database) -> list[Job]:
    with database.read() as session:
        return list(page_of_jobs(session, Selection(), limit=100).jobs)


def test_json(create: Create, database: Database) -> None:
    answer = create()
    assert isinstance(answer, Transcription)
    assert answer.text == TEXT
    assert answer.usage is not None
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 4.0)
    (job,) = jobs(database)
    assert answer._request_id == str(job.id)
    assert (job.model, job.file_name, job.waveform) == ("hi-ctc-base", "a.wav", False)


def test_files(create: Create) -> None:
    assert create(response_format="text") == f"{TEXT}\n"
    assert create(response_format="srt").startswith("1\n00:00:00,250 --> 00:00:01,916\nनमस्ते दुनिया\n\n2\n")
    assert create(response_format="vtt").startswith("WEBVTT\n\n00:00:00.250 --> 00:00:01.916\nनमस्ते दुनिया\n")


def test_verbose_json(create: Create) -> None:
    answer = create(response_format="verbose_json")
    assert isinstance(answer, TranscriptionVerbose)
    assert (answer.language, answer.duration, answer.text, answer.words) == ("hindi", 4.0, TEXT, None)
    assert answer.usage is not None
    assert answer.usage.seconds == 4.0
    first, second = answer.segments or []
    assert (first.id, first.start, first.end, first.text) == (0, 0.25, 1.0, "नमस्ते दुनिया")
    assert (first.seek, first.tokens, first.temperature, first.no_speech_prob) == (0, [], 0.0, 0.0)
    assert (first.avg_logprob, second.avg_logprob, second.id) == (-0.25, 0.0, 1)
    assert 0.5 < first.compression_ratio < 1.5
    assert TranscriptionVerbose.model_validate(answer.model_dump(), strict=True)


def test_times_of_words_and_segments(create: Create) -> None:
    words = create(response_format="verbose_json", timestamp_granularities=["word"])
    assert words.segments is None
    assert [(one.word, one.start, one.end) for one in words.words] == [
        ("नमस्ते", 0.25, 0.5),
        ("दुनिया", 0.75, 1.0),
    ]
    both = create(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert both.words == words.words
    assert len(both.segments) == 2


@pytest.mark.parametrize("model", sorted({*ALIASES, "hi-ctc-base"}))
def test_models(create: Create, database: Database, model: str) -> None:
    create(model=model)
    assert [job.model for job in jobs(database)] == ["hi-ctc-base"]


@pytest.mark.parametrize("language", ["hi", "HI", "hi-IN", "hi_IN", "hindi", "Hindi"])
def test_languages(create: Create, language: str) -> None:
    assert create(language=language).text == TEXT


def test_what_is_accepted_and_ignored(create: Create) -> None:
    answer = create(prompt="मसूरी", temperature=0.5, chunking_strategy="auto", languages=["en", "hi"])
    assert answer.text == TEXT


def test_our_options(create: Create, database: Database) -> None:
    extra = {"decoder": "beam", "channels": "each", "priority": "high", "client": "समाचार", "strict": True}
    create(extra_body={**extra, "hotwords": "देहरादून, मसूरी", "hotword_weight": 2.5}, keywords=["नई दिल्ली"])
    (job,) = jobs(database)
    options = options_of(job)
    assert options.hotwords == ("देहरादून", "मसूरी", "नई दिल्ली")
    assert (options.decoder, options.channels, options.hotword_weight) == ("beam", "each", 2.5)
    assert (options.priority, options.client, options.strict) == ("high", "समाचार", True)
    assert {"decoder", "hotwords", "channels", "numerals", "strict", "priority", "client"} <= set(
        options_in(Form.OPENAI)
    )


def test_a_list_of_hotwords(create: Create, database: Database) -> None:
    create(extra_body={"hotwords": ["देहरादून", "मसूरी"]})
    assert options_of(jobs(database)[0]).hotwords == ("देहरादून", "मसूरी")


def test_many_keywords(create: Create, database: Database) -> None:
    words = [f"शब्द{'क' * number}" for number in range(1, 41)]
    create(keywords=words)
    assert options_of(jobs(database)[0]).hotwords == tuple(words)


def test_numerals_and_channels(client: OpenAI, worker: PretendWorker) -> None:
    answers: list[Any] = []
    arguments = {"response_format": "verbose_json", "extra_body": {"numerals": "devanagari"}}
    request = threading.Thread(
        target=lambda: answers.append(
            client.audio.transcriptions.create(file=FILE, model="whisper-1", **arguments)  # type: ignore[call-overload]
        )
    )
    request.start()
    succeed_soon(worker, NUMBERS)
    request.join(10)
    (answer,) = answers
    assert answer.text == "कुल २५"
    assert answer.segments[0].channel == 1


def succeed_soon(worker: PretendWorker, segments: list[dict] | None = None) -> Job:
    """Let the next job succeed as soon as it is queued."""
    return worker.finish(claim_soon(worker), segments)


def claim_soon(worker: PretendWorker) -> Job:
    deadline = time.monotonic() + 10
    while True:
        try:
            return worker.claim()
        except AssertionError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


REFUSALS = [
    ({"language": "en"}, "language", "speaks Hindi"),
    ({"languages": ["en", "fr"]}, "languages[]", "speaks Hindi"),
    ({"response_format": "diarized_json"}, "response_format", "'verbose_json'"),
    ({"timestamp_granularities": ["word"]}, "timestamp_granularities[]", "verbose_json"),
    (
        {"timestamp_granularities": ["letter"], "response_format": "verbose_json"},
        "timestamp_granularities[]",
        "'word' or 'segment'",
    ),
    ({"stream": True, "response_format": "srt"}, "stream", "no srt"),
    ({"temperature": 2}, "temperature", "less than or equal to 1"),
    ({"include": ["logprobs"]}, "include[]", "avg_logprob"),
    ({"chunking_strategy": {"type": "server_vad"}}, "chunking_strategy[type]", "`auto`"),
    ({"known_speaker_names": ["a"]}, "known_speaker_names[]", "channels=each"),
    ({"keywords": ["Dehradun"]}, "hotwords", "Devanagari"),
    ({"extra_body": {"strct": "1"}}, "strct", "Did you mean strict?"),
    ({"extra_body": {"waveform": "true"}}, "waveform", "Unknown field"),
    ({"extra_query": {"model": "x"}}, "model", "not in the URL"),
    ({"extra_headers": {"Idempotency-Key": "a b"}}, "idempotency-key", "pattern"),
]


@pytest.mark.parametrize(("arguments", "param", "part"), REFUSALS)
def test_refusals(client: OpenAI, database: Database, arguments: dict, param: str, part: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(**{"file": FILE, "model": "whisper-1"} | arguments)
    error = refused.value
    assert (error.code, error.param, error.type) == ("invalid_request", param, "invalid_request_error")
    assert part in error.message
    assert error.response.json() == {"error": error.body}
    assert error.response.headers["content-type"] == "application/json"
    assert not jobs(database)


@pytest.mark.parametrize("model", ["nosuch", "gpt-4o-transcribe-diarize", "../hi-ctc-base"])
def test_an_unknown_model(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.audio.transcriptions.create(file=FILE, model=model)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


def test_beam_search_without_a_language_model(client: OpenAI, models_dir: Path) -> None:
    (models_dir / "hi-ctc-base" / "lm").rmdir()
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(file=FILE, model="whisper-1", keywords=["मसूरी"])
    assert refused.value.code == "decoder_unavailable"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/audio/transcriptions", 415, "unsupported_media_type"),
        ("GET", "/v1/audio/transcriptions", 405, "method_not_allowed"),
        ("POST", "/v1/audio/translations", 404, "not_found"),
        ("POST", "/v1/audio/speech", 404, "not_found"),
    ],
)
def test_errors_without_a_form(url: str, method: str, path: str, status: int, code: str) -> None:
    response = httpx.request(method, url + path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_a_recording_that_is_too_large(settings: Settings) -> None:
    with (
        served(settings.model_copy(update={"max_upload_bytes": 1000})) as url,
        OpenAI(base_url=f"{url}/v1", api_key="unused") as client,
        pytest.raises(openai.APIStatusError) as refused,
    ):
        client.audio.transcriptions.create(file=FILE, model="whisper-1")
    assert (refused.value.status_code, refused.value.code) == (413, "upload_too_large")


def test_a_full_queue(settings: Settings, database: Database) -> None:
    with (
        served(settings.model_copy(update={"queue_limit": 1, "simple_wait_seconds": 0.1})) as url,
        OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError) as waited:
            client.audio.transcriptions.create(file=FILE, model="whisper-1")
        assert waited.value.code == "still_running"
        with pytest.raises(openai.RateLimitError) as refused:
            client.audio.transcriptions.create(file=FILE, model="whisper-1")
    error = refused.value
    assert (error.code, error.type) == ("queue_full", "rate_limit_error")
    assert int(error.response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("code", "status"), [("audio_unreadable", 400), ("audio_too_long", 400), ("attempts_exhausted", 500)]
)
def test_a_failed_job_is_not_repeated(
    client: OpenAI, worker: PretendWorker, database: Database, code: str, status: int
) -> None:
    failing = threading.Thread(target=lambda: fail_soon(worker, code))
    failing.start()
    with pytest.raises(openai.APIStatusError) as refused:
        client.audio.transcriptions.create(file=FILE, model="whisper-1")
    failing.join()
    error = refused.value
    assert (error.status_code, error.code, error.message.split(" - ")[-1]) == (status, code, "It failed.")
    (job,) = jobs(database)
    assert f"/v1/jobs/{job.id}" in error.response.headers["link"]


def fail_soon(worker: PretendWorker, code: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            worker.fail(code, "It failed.")
        except AssertionError:
            time.sleep(0.01)
        else:
            return


def test_a_retry_finds_its_job(settings: Settings, worker: PretendWorker, database: Database) -> None:
    """The client repeats a request that waited too long. Each try sends the recording; one job is made."""
    hasty = settings.model_copy(update={"simple_wait_seconds": 0.3})
    with served(hasty) as url, OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=1) as client:
        with pytest.raises(openai.InternalServerError) as waited:
            client.audio.transcriptions.create(file=FILE, model="whisper-1")
        assert (waited.value.status_code, waited.value.code) == (504, "still_running")
        (job,) = jobs(database)
        assert waited.value.response.headers["location"] == f"/v1/jobs/{job.id}"
        assert waited.value.response.request.headers["x-stainless-retry-count"] == "1"
        worker.succeed()
        repeated = {"x-stainless-retry-count": "1"}
        found = client.audio.transcriptions.create(file=FILE, model="whisper-1", extra_headers=repeated)
        assert found._request_id == str(job.id)
        other = {"file": ("a.wav", AUDIO + b"."), "model": "whisper-1", "extra_headers": repeated}
        with pytest.raises(openai.InternalServerError):
            client.audio.transcriptions.create(**other)  # type: ignore[call-overload]
        with pytest.raises(openai.InternalServerError):
            client.with_options(max_retries=0).audio.transcriptions.create(file=FILE, model="whisper-1")
    assert len(jobs(database)) == 3, "another recording and a new request are other jobs"
    assert len(list(settings.files_dir.glob("??/*"))) == 3


def test_a_failed_job_is_nobodys_twin(settings: Settings, worker: PretendWorker, database: Database) -> None:
    hasty = settings.model_copy(update={"simple_wait_seconds": 0.1})
    with served(hasty) as url, OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                client.audio.transcriptions.create(
                    file=FILE, model="whisper-1", extra_headers={"x-stainless-retry-count": "1"}
                )
            worker.fail("attempts_exhausted")
    assert len(jobs(database)) == 2


def test_an_idempotency_key(create: Create, database: Database) -> None:
    key = {"extra_headers": {"Idempotency-Key": "k"}}
    assert create(**key)._request_id == create(**key)._request_id
    with pytest.raises(openai.ConflictError) as refused:
        create(**key, file=("a.wav", AUDIO + b"."))
    assert refused.value.code == "idempotency_conflict"
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"
    assert len(jobs(database)) == 1


def test_a_stream(client: OpenAI, worker: PretendWorker) -> None:
    stream = client.audio.transcriptions.create(file=FILE, model="gpt-4o-transcribe", stream=True)
    job = claim_soon(worker)
    worker.save(job, SEGMENTS[:1])
    events = iter(stream)
    first = next(events)
    assert isinstance(first, TranscriptionTextDeltaEvent)
    assert first.delta == "नमस्ते दुनिया", "it comes while the job runs"
    worker.save(job, SEGMENTS[1:], first=1)
    worker.finish(job, [])
    second, done = events
    assert second.delta == " हाँ"  # type: ignore[union-attr]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert done.text == TEXT
    assert done.usage is not None
    assert (done.usage.type, done.usage.seconds) == ("duration", 4.0)  # type: ignore[attr-defined]


def test_a_stream_of_a_failed_job(client: OpenAI, worker: PretendWorker) -> None:
    stream = client.audio.transcriptions.create(file=FILE, model="whisper-1", stream=True)
    fail_soon(worker, "audio_unreadable")
    with pytest.raises(openai.APIError, match="It failed") as refused:
        list(stream)
    assert refused.value.code == "audio_unreadable"


def test_a_stream_ends_without_news(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.transcript_stream.KEEP_ALIVE_SECONDS", 0.2)
    hasty = settings.model_copy(update={"simple_wait_seconds": 0.5})
    with served(hasty) as url:
        form = {"files": {"file": FILE}, "data": {"stream": "true"}}
        response = httpx.post(f"{url}/v1/audio/transcriptions", **form)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.count(": waiting\n\n") == 2
    assert '"code": "still_running"' in response.text


def test_a_client_that_leaves_does_not_end_the_job(
    settings: Settings, url: str, worker: PretendWorker, database: Database
) -> None:
    with httpx.stream(
        "POST", f"{url}/v1/audio/transcriptions", files={"file": FILE}, data={"stream": "true"}
    ) as response:
        job = claim_soon(worker)
        assert response.status_code == 200
        assert "shrutlekh_event_streams 1.0" in httpx.get(f"{url}/metrics").text
    deadline = time.monotonic() + 20
    while "shrutlekh_event_streams 0.0" not in httpx.get(f"{url}/metrics").text:
        assert time.monotonic() < deadline, "the request goes on without a client"
        time.sleep(0.1)
    worker.save(job, SEGMENTS[:1])
    worker.finish(job, [])
    assert httpx.get(f"{url}/v1/jobs/{job.id}").json()["status"] == "succeeded"


def test_the_models(client: OpenAI, models_dir: Path) -> None:
    (model,) = client.models.list()
    assert (model.id, model.object, model.owned_by) == ("hi-ctc-base", "model", "shrutlekh")
    card = models_dir / "hi-ctc-base" / "model.json"
    assert model.created == int(card.stat().st_mtime)
    assert client.models.retrieve("hi-ctc-base").id == "hi-ctc-base"
    for name in ("nosuch", "x" * 65):
        with pytest.raises((openai.NotFoundError, openai.UnprocessableEntityError)):
            client.models.retrieve(name)


def test_a_model_that_is_not_installed_is_an_error_in_both_shapes(url: str) -> None:
    response = httpx.get(f"{url}/v1/models/nosuch")
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (404, 404, "model_not_found")
    assert problem["error"]["code"] == "model_not_found"
    assert problem["error"]["message"] == problem["detail"]
