"""The courier: webhooks reach their receivers, and only those."""

import asyncio
import contextlib
import ipaddress
import json
import ssl
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from redis import Redis
from shrutlekh_contract.deliveries import DeliveryStatus
from sqlalchemy import select, update
from standardwebhooks import Webhook

from shared import connection_budget
from shared.announcements import announce
from shared.clock import now
from shared.database import Database
from shared.destinations import Address, Policy
from shared.redis import open_async_redis
from shared.settings import Settings
from shared.webhooks import Claimed, Delivery, DeliveryTry, enqueue_job, signing_secret
from tests.worker.pool import wait_until
from worker.courier import Courier, CourierThread, Sender, loop, sending

pytestmark = pytest.mark.anyio
BODY = b'{"type":"job.succeeded"}'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A little HTTP server that answers every request with the same bytes."""

    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    pause: float = 0.0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append(Request(head[0], headers, body))
            await asyncio.sleep(self.pause)
            writer.write(self.answer)
            await writer.drain()
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"


@contextlib.asynccontextmanager
async def receiving(receiver: Receiver, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as receiver:
        yield receiver


def claimed(url: str, body: bytes = BODY) -> Claimed:
    return Claimed(uuid.uuid4(), url, "host", body, ["whsec_MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmY="])


class FakeResolver:
    """Answers each lookup with the next of some addresses, as a hostile name server does."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ipaddress.ip_address(address) for address in answer]


ALLOWED = Policy(["127.0.0.0/8"])


async def test_what_a_receiver_gets(receiver: Receiver) -> None:
    webhook = claimed(receiver.url)
    outcome = await Sender(ALLOWED).send(webhook)
    assert (outcome.status, outcome.error, outcome.is_success) == (204, None, True)
    (request,) = receiver.requests
    assert request.line == "POST /hook?a=b HTTP/1.1"
    assert request.body == BODY
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Shrutlekh/")
    assert request.headers["webhook-id"] == f"msg_{webhook.id.hex}"
    assert Webhook(webhook.secrets[0]).verify(request.body, request.headers) == json.loads(BODY)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/"]
)
async def test_nothing_is_sent_to_what_is_not_public(receiver: Receiver, url: str) -> None:
    outcome = await Sender(Policy()).send(claimed(url.format(port=receiver.port)))
    assert outcome.status is None
    assert outcome.error is not None
    assert "refused" in outcome.error
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["fd00::1"],
        ["0.0.0.0"],
    ],
)
async def test_a_public_name_with_a_private_address(receiver: Receiver, addresses: list[str]) -> None:
    resolver = FakeResolver(addresses)
    outcome = await Sender(Policy(), resolve=resolver).send(claimed(f"http://evil.example:{receiver.port}/"))
    assert outcome.error == "The webhook's URL is refused: its host's address is not public."
    assert receiver.connections == 0


async def test_a_name_that_is_rebound_after_the_check(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer is public, later ones are the service's own machine: the first alone counts."""
    resolver = FakeResolver(["198.41.0.4"], ["127.0.0.1"])
    monkeypatch.setattr(sending, "CONNECT_SECONDS", 0.3)
    connected: list[str] = []
    connect = sending.httpcore.AnyIOBackend.connect_tcp

    async def noting(self: object, host: str, *rest: object, **more: object) -> object:
        connected.append(host)
        raise sending.httpcore.ConnectTimeout

    monkeypatch.setattr(sending.httpcore.AnyIOBackend, "connect_tcp", noting)
    outcome = await Sender(Policy(), resolve=resolver).send(claimed(f"http://evil.example:{receiver.port}/"))
    monkeypatch.setattr(sending.httpcore.AnyIOBackend, "connect_tcp", connect)
    assert (outcome.error, connected, resolver.asked) == (
        "connection timed out",
        ["198.41.0.4"],
        ["evil.example"],
    )
    assert receiver.connections == 0


async def test_the_next_address_of_a_name_if_the_first_does_not_answer(receiver: Receiver) -> None:
    resolver = FakeResolver(["127.0.0.2", "127.0.0.1"])
    outcome = await Sender(ALLOWED, resolve=resolver).send(claimed(f"http://two.example:{receiver.port}/"))
    assert outcome.status == 204
    assert receiver.requests[0].headers["host"] == f"two.example:{receiver.port}"


async def test_no_redirect_is_followed(receiver: Receiver) -> None:
    async with receiving(Receiver()) as target:
        receiver.answer = f"HTTP/1.1 307 Elsewhere\r\nLocation: {target.url}\r\n\r\n".encode()
        outcome = await Sender(ALLOWED).send(claimed(receiver.url))
        assert (outcome.status, outcome.is_success) == (307, False)
        assert target.connections == 0


async def test_no_proxy_of_the_environment_is_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving(Receiver()) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await Sender(ALLOWED).send(claimed(receiver.url))).is_success
        assert proxy.connections == 0


async def test_a_receiver_that_never_answers(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.3)
    receiver.pause = 60
    began = time.monotonic()
    outcome = await Sender(ALLOWED).send(claimed(receiver.url))
    assert outcome.error == "timed out"
    assert time.monotonic() - began < 20


async def test_a_receiver_that_answers_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the whole does not."""
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.5)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for letter in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000:
                writer.write(bytes([letter]))
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await Sender(ALLOWED).send(claimed(f"http://127.0.0.1:{port}/"))
    assert outcome.error == "timed out"
    server.close()


async def test_an_endless_body_is_not_read(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"a" * 10_000_000
    began = time.monotonic()
    assert (await Sender(ALLOWED).send(claimed(receiver.url))).is_success
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"), (b"", "the answer is not HTTP")],
)
async def test_what_does_not_speak_http(receiver: Receiver, answer: bytes, error: str) -> None:
    receiver.answer = answer
    outcome = await Sender(ALLOWED).send(claimed(receiver.url))
    assert (outcome.status, outcome.error) == (None, error)


async def test_nobody_listens(receiver: Receiver) -> None:
    async with receiving(Receiver()) as gone:
        url = gone.url
    outcome = await Sender(ALLOWED).send(claimed(url))
    assert (outcome.status, outcome.error) == (None, "the connection failed")


async def test_a_certificate_of_somebody_else(receiver: Receiver) -> None:
    outcome = await Sender(ALLOWED).send(claimed(f"https://127.0.0.1:{receiver.port}/"))
    assert outcome.status is None
    assert outcome.error is not None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), ("soon", None), ("-5", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
async def test_retry_after(receiver: Receiver, header: str, seconds: float | None) -> None:
    receiver.answer = f"HTTP/1.1 503 Busy\r\nRetry-After: {header}\r\n\r\n".encode()
    assert (await Sender(ALLOWED).send(claimed(receiver.url))).retry_after == seconds


def put(database: Database, url: str, count: int = 1) -> None:
    with database.write() as session:
        for _ in range(count):
            enqueue_job(session, job_id=uuid.uuid4(), tenant="t", url=url, status="succeeded")


def states(database: Database) -> list[DeliveryStatus]:
    with database.read() as session:
        return list(session.scalars(select(Delivery.status).order_by(Delivery.id)))


@contextlib.asynccontextmanager
async def delivering(settings: Settings, sender: Sender | None = None) -> AsyncIterator[Courier]:
    database = Database(settings.database, pool_size=connection_budget.COURIER)
    redis = open_async_redis(settings.redis_url)
    courier = Courier(database, redis, sender or Sender(ALLOWED))
    task = asyncio.create_task(courier.run())
    yield courier
    courier.stop()
    await task
    await redis.aclose()
    database.close()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_the_outbox_is_emptied(settings: Settings, database: Database, receiver: Receiver) -> None:
    put(database, receiver.url, 10)
    async with delivering(settings):
        await until(lambda: set(states(database)) == {DeliveryStatus.DELIVERED})
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 10
    with database.write() as session:
        verifier = Webhook(signing_secret(session, "t").secret)
    for request in receiver.requests:
        verifier.verify(request.body, request.headers)


async def test_an_announcement_wakes_it_at_once(
    settings: Settings, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOOK_SECONDS", 30.0)
    async with delivering(settings):
        await asyncio.sleep(0.5)
        put(database, receiver.url)
        with Redis.from_url(settings.redis_url) as redis:
            announce(redis, uuid.uuid4())
        await until(lambda: len(receiver.requests) == 1, 1.0)


async def test_without_an_announcement_it_takes_a_second(
    settings: Settings, database: Database, receiver: Receiver
) -> None:
    away = settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    async with delivering(away):
        await asyncio.sleep(0.2)
        put(database, receiver.url)
        await until(lambda: len(receiver.requests) == 1, 1.6)


async def test_a_slow_receiver_does_not_hold_up_the_others(
    settings: Settings, database: Database, receiver: Receiver
) -> None:
    async with receiving(Receiver(pause=3.0)) as slow:
        put(database, slow.url, 100)
        put(database, receiver.url, 5)
        async with delivering(settings):
            await until(lambda: len(receiver.requests) == 5, 2.5)
            assert slow.connections <= loop.AT_ONCE_PER_HOST


async def test_two_couriers_share_the_work(
    settings: Settings, database: Database, receiver: Receiver
) -> None:
    put(database, receiver.url, 20)
    async with delivering(settings), delivering(settings):
        await until(lambda: set(states(database)) == {DeliveryStatus.DELIVERED})
    assert len(receiver.requests) == 20


async def test_a_courier_that_died_is_replaced_when_its_lease_ends(
    settings: Settings, database: Database, receiver: Receiver
) -> None:
    put(database, receiver.url)
    lease_ends = now() + timedelta(seconds=1.5)
    with database.write() as session:
        session.execute(update(Delivery).values(lease_owner="dead", due_at=lease_ends))
    async with delivering(settings):
        await until(lambda: len(receiver.requests) == 1)
        assert now() >= lease_ends
        await until(lambda: states(database) == [DeliveryStatus.DELIVERED])


async def test_a_failure_is_tried_again_later(
    settings: Settings, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.webhooks.outbox.PAUSES", (0.2,) * 9)
    receiver.answer = b"HTTP/1.1 500 No\r\n\r\n"
    put(database, receiver.url)
    async with delivering(settings):
        await until(lambda: len(receiver.requests) == 2)
        receiver.answer = Receiver().answer
        await until(lambda: states(database) == [DeliveryStatus.DELIVERED])
    with database.read() as session:
        found = [one.status for one in session.scalars(select(DeliveryTry).order_by(DeliveryTry.id))]
    assert found[:2] == [500, 500]
    assert found[-1] == 204


async def test_what_is_in_progress_at_the_stop_is_given_back(
    settings: Settings, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STOP_SECONDS", 0.2)
    receiver.pause = 30
    put(database, receiver.url)
    async with delivering(settings):
        await until(lambda: len(receiver.requests) == 1)
    with database.read() as session:
        (left,) = session.scalars(select(Delivery))
    assert (left.status, left.lease_owner) == (DeliveryStatus.PENDING, None)
    assert left.due_at <= now()


@pytest.fixture
def thread(settings: Settings) -> Iterator[CourierThread]:
    thread = CourierThread(settings.model_copy(update={"webhook_allow": ["127.0.0.0/8"]}))
    thread.start()
    yield thread
    thread.stop()
    assert not thread.is_alive()


async def test_as_a_thread(thread: CourierThread, database: Database, receiver: Receiver) -> None:
    put(database, receiver.url)
    await until(lambda: len(receiver.requests) == 1)
    assert threading.main_thread() is not thread
    await asyncio.to_thread(
        wait_until, lambda: states(database) == [DeliveryStatus.DELIVERED], lambda: "", 10.0
    )
