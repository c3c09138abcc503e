"""Following events over broken connections, blocking and asynchronous; checking webhooks."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from shrutlekh import (
    ApiError,
    AsyncShrutlekhClient,
    JobEnded,
    NotShrutlekh,
    Progressed,
    Retries,
    SegmentSaved,
    ShrutlekhClient,
    StatusChanged,
    Unreachable,
)
from shrutlekh.webhooks import InvalidWebhook, verify
from standardwebhooks import Webhook

pytestmark = pytest.mark.anyio
JOB = {
    "id": "j",
    "status": "running",
    "progress": 0.5,
    "attempt": 1,
    "max_attempts": 3,
    "created_at": "2026-01-01T00:00:00Z",
    "file": {"name": "a.wav", "bytes": 1, "sha256": "0"},
    "model": "m",
}
STATUS = {"event": "claimed", "status": "running", "attempt": 1, "at": "2026-01-01T00:00:00Z", "job": JOB}
SEGMENT = {"position": 0, "start": 0.0, "end": 1.0, "text": "नमस्ते\u2028दुनिया", "words": []}
END = JOB | {"status": "succeeded"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def wire(name: str, data: object, event_id: str = "") -> bytes:
    text = json.dumps(data, ensure_ascii=False)
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {text}\n\n".encode()


class Blocks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off after its last block, if it should."""

    def __init__(self, *blocks: bytes, breaks: bool = False) -> None:
        self.blocks = blocks
        self.breaks = breaks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.blocks
        if self.breaks:
            raise httpx.ReadError("broken")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self:
            yield block


def stream(*blocks: bytes, breaks: bool = False) -> httpx.Response:
    return httpx.Response(
        200,
        headers={"content-type": "text/event-stream; charset=utf-8"},
        stream=Blocks(*blocks, breaks=breaks),
    )


class Service:
    """Answers each connection with the next of some responses, and notes what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str | None] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers.get("last-event-id"))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


Follow = Callable[..., Any]


@pytest.fixture(params=["blocking", "asynchronous"])
def follow(request: pytest.FixtureRequest) -> Follow:
    """All events of a job, and the exception that ended them."""

    async def events(service: Service, **more: Any) -> tuple[list[Any], Exception | None]:
        found: list[Any] = []
        options = {
            "url": "http://test",
            "transport": httpx.MockTransport(service),
            "retries": Retries(attempts=3, base=0.5),
        }
        try:
            if request.param == "blocking":
                with ShrutlekhClient(**options, sleep=service.pauses.append) as client:
                    found.extend(client.events("j", **more))
            else:

                async def sleep(seconds: float) -> None:
                    service.pauses.append(seconds)

                async with AsyncShrutlekhClient(**options, sleep=sleep) as other:
                    async for event in other.events("j", **more):
                        found.append(event)  # noqa: PERF401 - what came before an error counts
        except (ApiError, Unreachable, NotShrutlekh) as error:
            return found, error
        return found, None

    return events


async def test_events_until_the_end(follow: Follow) -> None:
    blocks = [
        b"retry: 3000\n\n",
        wire("status", STATUS, "1.0"),
        b": \n\n",
        wire("progress", {"id": "j", "progress": 0.5}, "1.0"),
        wire("segment", SEGMENT, "1.1"),
        wire("news", {"of": "a newer service"}),
        wire("end", END, "2.1.end"),
    ]
    service = Service(stream(b"".join(blocks)))
    found, error = await follow(service)
    assert error is None
    assert [type(event) for event in found] == [StatusChanged, Progressed, SegmentSaved, JobEnded]
    assert found[0].job.id == "j"
    assert found[2].text == SEGMENT["text"]
    assert found[3].final
    assert (service.asked, service.pauses) == ([None], [])


async def test_a_broken_connection_is_continued(follow: Follow) -> None:
    whole = wire("segment", SEGMENT | {"position": 1}, "1.2")
    service = Service(
        stream(b"retry: 3000\n\n", wire("segment", SEGMENT, "1.1"), whole[:20], breaks=True),
        httpx.ConnectError("away"),
        stream(whole),
        stream(wire("end", END, "2.2.end")),
    )
    found, error = await follow(service, last_event_id="0.0")
    assert error is None
    assert [event.position for event in found[:-1]] == [0, 1]
    assert service.asked == ["0.0", "1.1", "1.1", "1.2"]
    assert service.pauses[-1] == 3.0, "an orderly end is no failure"


async def test_the_service_tells_when_to_come_back(follow: Follow) -> None:
    service = Service(stream(b"retry: 3000\n\n"), stream(wire("end", END, "2.2.end")))
    await follow(service)
    assert service.pauses == [3.0]


async def test_who_has_seen_the_end_does_not_loop(follow: Follow) -> None:
    assert await follow(Service(httpx.Response(204)), last_event_id="2.2.end") == ([], None)


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (401, 1), (503, 3)])
async def test_errors(follow: Follow, status: int, tries: int) -> None:
    problem = {"code": "some_code", "detail": "No."}
    service = Service(*(httpx.Response(status, json=problem) for _ in range(tries)))
    found, error = await follow(service)
    assert found == []
    assert isinstance(error, ApiError)
    assert (error.code, error.status, len(service.asked)) == ("some_code", status, tries)


async def test_nothing_answers(follow: Follow) -> None:
    _, error = await follow(Service(*(httpx.ConnectError("away") for _ in range(3))))
    assert isinstance(error, Unreachable)


@pytest.mark.parametrize("sent", [b"<html>", b"event: end\ndata: {}\n\n", b"event: end\ndata: x\n\n"])
async def test_another_service(follow: Follow, sent: bytes) -> None:
    html = httpx.Response(200, content=sent, headers={"content-type": "text/html"})
    _, error = await follow(Service(html if b"<" in sent else stream(sent)))
    assert isinstance(error, NotShrutlekh)


SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"type":"job.succeeded","data":{"id":"j"}}'
MOMENT = 1_800_000_000


def signed(secret: str = SECRET, moment: int = MOMENT) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(moment, UTC), BODY.decode())
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(moment), "Webhook-Signature": signature}


def test_a_webhook_that_standard_webhooks_signed() -> None:
    assert verify(SECRET, signed(), BODY, now=MOMENT + 10) == json.loads(BODY)
    assert verify(SECRET.removeprefix("whsec_"), signed(), BODY, now=MOMENT) == json.loads(BODY)
    both = signed()
    both["Webhook-Signature"] = f"v1,other v2,another {both['Webhook-Signature']}"
    assert verify(SECRET, both, BODY, now=MOMENT) == json.loads(BODY)


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        (signed(), BODY + b" ", MOMENT),
        (signed("whsec_" + base64.b64encode(b"other").decode()), BODY, MOMENT),
        (signed() | {"Webhook-Id": "msg_2"}, BODY, MOMENT),
        (signed() | {"Webhook-Timestamp": str(MOMENT + 1)}, BODY, MOMENT),
        (signed() | {"Webhook-Timestamp": "soon"}, BODY, MOMENT),
        (signed() | {"Webhook-Signature": ""}, BODY, MOMENT),
        (signed(), BODY, MOMENT + 301),
        (signed(), BODY, MOMENT - 301),
        ({}, BODY, MOMENT),
    ],
)
def test_a_webhook_that_is_not_to_be_believed(headers: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(InvalidWebhook):
        verify(SECRET, headers, body, now=now)


def test_a_malformed_secret() -> None:
    with pytest.raises(ValueError, match="base64"):
        verify("whsec_?", signed(), BODY, now=MOMENT)
