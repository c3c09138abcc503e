"""Nobody gets in without a key, and nobody sees another's recordings: for every route there is.

A new route must be added to ``OPEN`` or ``KEYED``, or :func:`test_every_route_is_classified` fails.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import anyio
import httpx
import pytest

from api.app import create_app
from api.http import authentication
from api.http.authentication import KeyRing
from api.threads import Threads
from shared.database import Database
from shared.errors import DatabaseUnavailable, KeyInvalid
from shared.keys import START, Scope, find_key, revoke_key
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, submit
from tests.api.keys import bearer, is_error, make_key, tenant_of
from tests.api.pretend_worker import PretendWorker
from tests.conftest import MODEL

pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


UNKNOWN = uuid.UUID(int=7)


def form(name: str = "a.wav") -> dict[str, Any]:
    return {"files": {"file": (name, AUDIO)}}


@dataclass(frozen=True)
class Access:
    """What a route asks for.

    Attributes:
        scope: the scope that its caller needs.
        request: makes the arguments of an httpx request that the route accepts.
        allowed: statuses of an answer to an authorised caller.
    """

    scope: Scope
    request: Callable[[], dict[str, Any]] = field(default=dict)
    allowed: frozenset[int] = frozenset({200})


OPEN = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /docs",
    "GET /docs/oauth2-redirect",
    "GET /openapi.json",
    "GET /static-offline-docs",  # scripts and styles of /docs
    "GET /",  # the page asks for a key itself
    "GET /web/{version}/{name:path}",  # tests/api/test_page.py
}
# `{job_id}` is the id of a succeeded job, `{batch_id}` of a batch whose only job has succeeded,
# `{delivery_id}` of the webhook about the job's end.
KEYED = {
    "POST /v1/jobs": Access(Scope.SUBMIT, form, frozenset({202})),
    "GET /v1/jobs": Access(Scope.READ),
    "GET /v1/jobs/{job_id}": Access(Scope.READ),
    "GET /v1/events": Access(Scope.READ, lambda: {"params": {"job": str(UNKNOWN)}}),
    "DELETE /v1/jobs/{job_id}": Access(Scope.SUBMIT, allowed=frozenset({204})),
    "POST /v1/jobs/{job_id}/retry": Access(Scope.SUBMIT, allowed=frozenset({409})),
    "GET /v1/jobs/{job_id}/transcript": Access(Scope.READ),
    "PUT /v1/jobs/{job_id}/transcript": Access(Scope.SUBMIT, lambda: {"json": {"segments": []}}),
    "GET /v1/jobs/{job_id}/revisions": Access(Scope.READ),
    "DELETE /v1/jobs/{job_id}/revisions": Access(Scope.SUBMIT, allowed=frozenset({204})),
    "GET /v1/jobs/{job_id}/waveform.png": Access(Scope.READ),
    "GET /v1/jobs/{job_id}/waveform.json": Access(Scope.READ),
    "GET /v1/jobs/{job_id}/spectrogram.png": Access(Scope.READ),
    "GET /v1/jobs/{job_id}/recording": Access(Scope.READ),
    "POST /v1/jobs/{job_id}/recording/ticket": Access(Scope.READ, allowed=frozenset({201})),
    "POST /v1/batches": Access(Scope.SUBMIT, form, frozenset({202})),
    "GET /v1/batches": Access(Scope.READ),
    "GET /v1/batches/{batch_id}": Access(Scope.READ),
    "GET /v1/batches/{batch_id}/results.zip": Access(Scope.READ),
    "DELETE /v1/batches/{batch_id}": Access(Scope.SUBMIT, allowed=frozenset({204})),
    "GET /v1/jobs/{job_id}/events": Access(Scope.READ),
    "GET /v1/batches/{batch_id}/events": Access(Scope.READ),
    "GET /v1/webhooks/secret": Access(Scope.SUBMIT),
    "POST /v1/webhooks/secret/rotate": Access(Scope.SUBMIT),
    "GET /v1/webhooks/deliveries": Access(Scope.READ),
    "POST /v1/webhooks/deliveries/{delivery_id}/retry": Access(Scope.SUBMIT, allowed=frozenset({202})),
    "GET /v1/models": Access(Scope.READ),
    "GET /v1/models/{model}": Access(Scope.READ),
    "WS /v1/stream": Access(Scope.SUBMIT),  # tests/api/test_stream.py
    # They wait for a worker, and there is none: 504.
    "POST /v1/audio/transcriptions": Access(
        Scope.SUBMIT, lambda: form() | {"data": {"model": "whisper-1"}}, frozenset({504})
    ),
    "POST /transcribe/": Access(Scope.SUBMIT, form, frozenset({504})),
    "POST /transcribe": Access(Scope.SUBMIT, form, frozenset({504})),
    "POST /visualize/": Access(Scope.SUBMIT, form, frozenset({504})),
    "POST /visualize": Access(Scope.SUBMIT, form, frozenset({504})),
}
OVER_HTTP = [route for route in KEYED if not route.startswith("WS ")]
WITH_AN_ID = [route for route in OVER_HTTP if "_id}" in route]


class Finished(NamedTuple):
    """A key, and the ids of what its tenant has, by their names in paths."""

    secret: str
    ids: dict[str, str]


def routes_of(routes: Iterable[Any]) -> Iterator[str]:
    """All routes as `METHOD path`, also those that are not documented; `WS path` for WebSockets."""
    for route in routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from routes_of(included.routes)
        elif "WebSocket" in type(route).__name__:
            yield f"WS {route.path}"
        else:
            methods = getattr(route, "methods", None) or {"GET"}
            yield from (f"{method} {route.path}" for method in methods - {"HEAD"})


def test_every_route_is_classified() -> None:
    found = set(routes_of(create_app(Settings()).routes))
    assert found == OPEN | KEYED.keys()
    assert not OPEN & KEYED.keys()


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    return settings.model_copy(update={"require_keys": "always", "simple_wait_seconds": 0.01})


@pytest.fixture
async def client(guarded: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that requires keys."""
    async with running(guarded) as (_, client):
        yield client


async def call(
    client: httpx.AsyncClient, route: str, headers: dict[str, str], **ids: object
) -> httpx.Response:
    method, _, path = route.partition(" ")
    path = re.sub(r"\{(\w+)\}", lambda found: str(ids.get(found[1], MODEL)), path)
    return await client.request(method, path, headers=headers, **KEYED[route].request())


@pytest.fixture
async def finished(client: httpx.AsyncClient, database: Database, worker: PretendWorker) -> Finished:
    """A key, and what its tenant has."""
    secret = make_key(database, name="owner")
    webhook = {"data": {"webhook_url": "https://example.org/hook", "spectrogram": "true"}}
    job = await client.post("/v1/jobs", **form(), **webhook, headers=bearer(secret))
    batch = await client.post("/v1/batches", **form(), headers=bearer(secret))
    assert (job.status_code, batch.status_code) == (202, 202), batch.text
    for _ in range(2):
        await anyio.to_thread.run_sync(worker.succeed)
    log = (await client.get("/v1/webhooks/deliveries", headers=bearer(secret))).json()
    (delivery,) = log["deliveries"]
    ids = {"job_id": job.json()["id"], "batch_id": batch.json()["id"], "delivery_id": delivery["id"]}
    return Finished(secret, ids)


async def submit_as(client: httpx.AsyncClient, secret: str, **headers: str) -> str:
    answer = await client.post("/v1/jobs", **form(), headers=bearer(secret) | headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@on_sqlite
@pytest.mark.parametrize(
    "path", [route.partition(" ")[2] for route in sorted(OPEN) if "static" not in route and "{" not in route]
)
async def test_open_routes_need_no_key(client: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, bearer("wrong")):
        assert (await client.get(path, headers=headers)).status_code in {200, 503}


@on_sqlite
@pytest.mark.parametrize("route", OVER_HTTP)
async def test_nobody_gets_in_without_the_right_key(
    client: httpx.AsyncClient, database: Database, finished: Finished, route: str
) -> None:
    owner, ids = finished
    tenant = tenant_of(database, owner)
    lacking = {Scope.SUBMIT, Scope.READ} - {KEYED[route].scope}
    unscoped = make_key(database, *lacking, tenant=tenant)
    refused = [
        ({}, "key_missing"),
        (bearer(f"{START}{'0' * 8}_{'x' * 43}"), "key_invalid"),  # well-formed
        (bearer(owner[:-1] + ("A" if owner[-1] != "A" else "B")), "key_invalid"),  # a known prefix
        (bearer(owner[:-1]), "key_invalid"),
        (bearer(owner + "x"), "key_invalid"),
        (bearer(f"{owner} {owner}"), "key_invalid"),
        (bearer(""), "key_invalid"),
        ({"Authorization": "Bearer"}, "key_invalid"),
        ({"Authorization": owner}, "key_invalid"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "key_invalid"),
        ({"Authorization": f"Basic {owner}"}, "key_invalid"),
        ({"X-API-Key": "wrong"}, "key_invalid"),
        ({**bearer(owner), "X-API-Key": "wrong"}, "key_invalid"),
        (bearer("x" * 60_000), "key_invalid"),
        (bearer(make_key(database, tenant=tenant, revoked=True)), "key_invalid"),
        (bearer(make_key(database, tenant=tenant, expired=True)), "key_invalid"),
        (bearer(unscoped), "scope_missing"),
    ]
    for headers, code in refused:
        answer = await call(client, route, headers, **ids)
        assert answer.status_code == (403 if code == "scope_missing" else 401), (headers, answer.text)
        assert is_error(answer, code), (headers, answer.text)
        assert owner not in answer.text
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="shrutlekh"')
        assert ('error="invalid_token"' in challenge) == (code == "key_invalid")
        assert (f'scope="{KEYED[route].scope}"' in challenge) == (code == "scope_missing")
    for headers in (bearer(owner), {"Authorization": f"bearer  {owner} "}, {"X-API-Key": owner}):
        answer = await call(client, route, headers, **ids)
        assert answer.status_code in KEYED[route].allowed | {404}, answer.text  # 404: erased just before
        assert "www-authenticate" not in answer.headers


@on_sqlite
async def test_a_refused_body_is_not_read(client: httpx.AsyncClient) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Expect": "100-continue"}
    for path in ("/v1/jobs", "/transcribe/", "/visualize/"):
        assert (await client.post(path, content=never(), headers=headers)).status_code == 401


@pytest.mark.parametrize("route", WITH_AN_ID)
async def test_what_belongs_to_others_does_not_exist(
    client: httpx.AsyncClient, database: Database, finished: Finished, route: str
) -> None:
    owner, ids = finished
    (name,) = re.findall(r"\{(\w+)\}", route)
    stranger = bearer(make_key(database, name="stranger"))
    before = await everything_of(client, owner)
    absent_id = str(uuid.uuid4())
    foreign = await call(client, route, stranger, **ids)
    absent = await call(client, route, stranger, **{name: absent_id})
    assert foreign.status_code == absent.status_code == 404
    assert is_error(foreign, f"{name.removesuffix('_id')}_not_found")
    assert foreign.text.replace(ids[name], absent_id) == absent.text
    assert foreign.headers == absent.headers
    assert await everything_of(client, owner) == before
    for allowed in (make_key(database, Scope.ADMIN), owner):
        answer = await call(client, route, bearer(allowed), **ids)
        assert answer.status_code in KEYED[route].allowed | {404}
        if allowed != owner:
            assert answer.status_code != 404


async def everything_of(client: httpx.AsyncClient, secret: str) -> list[bytes]:
    """What a key sees of its tenant."""
    paths = ("/v1/jobs", "/v1/batches", "/v1/webhooks/deliveries", "/v1/webhooks/secret")
    answers = [await client.get(path, headers=bearer(secret)) for path in paths]
    return [answer.content for answer in answers]


@on_sqlite
async def test_a_long_poll_and_a_known_etag_tell_nothing(
    client: httpx.AsyncClient, database: Database, finished: Finished
) -> None:
    owner, job_id = finished.secret, finished.ids["job_id"]
    stranger = make_key(database)
    for path in ("", "/transcript", "/waveform.png"):
        etag = (await client.get(f"/v1/jobs/{job_id}{path}", headers=bearer(owner))).headers["etag"]
        for known in (etag, "*"):
            headers = {**bearer(stranger), "If-None-Match": known}
            params = {} if path else {"wait": "5"}
            answer = await client.get(f"/v1/jobs/{job_id}{path}", params=params, headers=headers)
            assert answer.status_code == 404
            assert "etag" not in answer.headers


async def test_lists_hold_only_what_is_the_callers(client: httpx.AsyncClient, database: Database) -> None:
    secrets = [make_key(database, name=name) for name in ("a", "b")]
    colleague = make_key(database, Scope.READ, name="a-reader", tenant=tenant_of(database, secrets[0]))
    jobs = {secret: [await submit_as(client, secret) for _ in range(3)] for secret in secrets}

    async def listed(secret: str) -> tuple[list[str], dict[str, int]]:
        ids, cursor, counts = [], None, {}
        while True:
            params = {"limit": "2", "counts": "true"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/jobs", params=params, headers=bearer(secret))).json()
            ids += [job["id"] for job in page["jobs"]]
            cursor, counts = page["next_cursor"], page["counts"]
            if cursor is None:
                return ids[::-1], counts

    for secret in secrets:
        ids, counts = await listed(secret)
        assert ids == jobs[secret]
        assert counts["queued"] == 3
    assert (await listed(colleague))[0] == jobs[secrets[0]]
    assert (await listed(make_key(database)))[0] == []
    everything, counts = await listed(make_key(database, Scope.ADMIN))
    assert sorted(everything) == sorted(job_id for ids in jobs.values() for job_id in ids)
    assert counts["queued"] == 6
    params = {"limit": "2"}
    theirs = (await client.get("/v1/jobs", params=params, headers=bearer(secrets[0]))).json()["next_cursor"]
    page = await client.get("/v1/jobs", params={"cursor": theirs}, headers=bearer(secrets[1]))
    assert not {job["id"] for job in page.json()["jobs"]} & set(jobs[secrets[0]])


async def test_idempotency_keys_of_two_tenants_do_not_meet(
    client: httpx.AsyncClient, database: Database
) -> None:
    first, second = make_key(database, name="first"), make_key(database, name="second")
    headers = [bearer(secret) | {"Idempotency-Key": "the-same"} for secret in (first, second)]
    answers = [await client.post("/v1/jobs", **form(), headers=each) for each in headers]
    assert [answer.status_code for answer in answers] == [202, 202]
    ids = [answer.json()["id"] for answer in answers]
    assert ids[0] != ids[1]
    for each, job_id in zip(headers, ids, strict=True):
        again = await client.post("/v1/jobs", **form(), headers=each)
        assert (again.json()["id"], again.headers["idempotent-replayed"]) == (job_id, "true")
        other = await client.post("/v1/jobs", files={"file": ("b.wav", AUDIO + b"x")}, headers=each)
        assert other.status_code == 409
        assert other.json()["id"] == job_id
    third = bearer(make_key(database, name="third")) | {"Idempotency-Key": "the-same"}
    new = await client.post("/v1/jobs", files={"file": ("b.wav", AUDIO + b"x")}, headers=third)
    assert new.status_code == 202
    assert new.json()["id"] not in ids


@on_sqlite
async def test_a_job_is_of_its_key(client: httpx.AsyncClient, database: Database) -> None:
    secret = make_key(database, name="नई दिल्ली")
    job_id = await submit_as(client, secret)
    job = (await client.get(f"/v1/jobs/{job_id}", headers=bearer(secret))).json()
    assert job["client"] == "नई दिल्ली"
    assert tenant_of(database, secret) not in str(job)


@on_sqlite
async def test_where_no_key_is_required_one_still_binds(settings: Settings, database: Database) -> None:
    async with running(settings) as (_, client):
        anonymous = await submit(client)
        secret = make_key(database, name="a")
        own = await submit_as(client, secret)
        assert (await client.get(f"/v1/jobs/{anonymous}", headers=bearer(secret))).status_code == 404
        for headers in ({}, bearer("sk-placeholder"), {"Authorization": "Basic dXNlcjpwYXNz"}):
            for job_id in (anonymous, own):
                assert (await client.get(f"/v1/jobs/{job_id}", headers=headers)).status_code == 200
        wrong = await client.get("/v1/models", headers=bearer(START + "wrong"))
        assert wrong.status_code == 401


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "required"),
    [
        ({}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "::"}, True),
        ({"host": "service.example"}, True),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0", "published_host": "127.0.0.1"}, False),
        ({"host": "0.0.0.0", "published_host": "0.0.0.0"}, True),
        ({"host": "127.0.0.1", "published_host": "10.0.0.1"}, True),
        ({"host": "0.0.0.0", "require_keys": "never"}, False),
        ({"require_keys": "always"}, True),
    ],
)
async def test_when_keys_are_required(settings: Settings, changes: dict[str, str], required: bool) -> None:
    async with running(settings.model_copy(update=changes)) as (_, client):
        assert (await client.get("/v1/jobs")).status_code == (401 if required else 200)


@on_sqlite
async def test_a_revoked_key_stops_working(client: httpx.AsyncClient, database: Database) -> None:
    secret = make_key(database)
    assert (await client.get("/v1/jobs", headers=bearer(secret))).status_code == 200
    with database.write() as session:
        key = find_key(session, secret)
        assert key is not None
        revoke_key(session, key)
    answer = None
    with anyio.fail_after(authentication.REMEMBERED_SECONDS + 10):
        while answer is None or answer.status_code == 200:
            answer = await client.get("/v1/jobs", headers=bearer(secret))
            await asyncio.sleep(0.25)
    assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")


@on_sqlite
async def test_a_new_key_works_at_once(client: httpx.AsyncClient, database: Database) -> None:
    assert (await client.get("/v1/jobs", headers=bearer("shl_unknown"))).status_code == 401
    assert (await client.get("/v1/jobs", headers=bearer(make_key(database)))).status_code == 200


@on_sqlite
async def test_lookups_are_few_and_what_is_remembered_is_bounded(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    at_once = most_at_once = 0
    find = authentication.find_key

    def counted(session: Any, secret: str) -> Any:
        nonlocal at_once, most_at_once
        looked.append(secret)
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        try:
            return find(session, secret)
        finally:
            at_once -= 1

    monkeypatch.setattr(authentication, "find_key", counted)
    monkeypatch.setattr(authentication, "MOST_REMEMBERED", 10)
    ring = KeyRing(Threads(single_writer=True), database, settings)
    right = make_key(database)

    async def known(secret: str) -> bool:
        try:
            await ring.caller(secret)
        except KeyInvalid:
            return False
        return True

    assert all(await asyncio.gather(*(known(right) for _ in range(100))))
    assert looked == [right]
    for malformed in (START, f"{right}x", f"{START}{'0' * 8}_{'ü' * 43}", START + "x" * 60_000):
        assert not await known(malformed)
    assert looked == [right]
    wrong = [f"{START}{number:08x}_{'x' * 43}" for number in range(50)]
    assert not any(await asyncio.gather(*(known(secret) for secret in wrong)))
    assert not await known(wrong[-1])
    assert len(looked) == 51
    assert most_at_once <= authentication.LOOKUPS_AT_ONCE
    assert len(ring._unknown) == 10
    assert not ring._looking
    assert await known(right)
    assert len(looked) == 51  # still remembered


@on_sqlite
async def test_an_outage_is_no_refusal(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = make_key(database)

    def away(*_: object) -> object:
        raise DatabaseUnavailable("It does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(authentication, "find_key", away)
        answer = await client.get("/v1/jobs", headers=bearer(secret))
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert (await client.get("/v1/jobs", headers=bearer(secret))).status_code == 200


@on_sqlite
async def test_pages_of_named_origins_may_send_keys(guarded: Settings, database: Database) -> None:
    origin = "https://example.org"
    for allowed in ([origin], ["*"]):
        async with running(guarded.model_copy(update={"cors_origins": allowed})) as (_, client):
            asked = {
                "Origin": origin,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization, x-api-key",
            }
            preflight = await client.options("/v1/jobs", headers=asked)
            assert preflight.status_code == 200
            assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
            answer = await client.get("/v1/jobs", headers={"Origin": origin})
            assert answer.status_code == 401
            assert answer.headers["access-control-allow-origin"] in {origin, "*"}
            exposed = set(answer.headers["access-control-expose-headers"].split(", "))
            assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= exposed
            for response in (preflight, answer):
                assert "access-control-allow-credentials" not in response.headers
    async with running(guarded) as (_, client):
        preflight = await client.options("/v1/jobs", headers=asked)
        assert "access-control-allow-origin" not in preflight.headers


@on_sqlite
async def test_the_document_says_which_routes_need_a_key(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    secured = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" in operation
    }
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert secured == documented & KEYED.keys()
    for name in secured:
        method, _, path = name.partition(" ")
        assert {"401", "403", "429"} <= paths[path][method.lower()]["responses"].keys()
