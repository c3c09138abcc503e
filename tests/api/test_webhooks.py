"""The option webhook_url and /v1/webhooks."""

import uuid
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from shared.clock import now
from shared.database import Database
from shared.keys import Scope, create_key
from shared.settings import Settings
from shared.webhooks import Delivery, Outcome, claim_due, record
from tests.api.front_end import AUDIO, running, submit
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio
URL = "https://example.org/hooks/1"
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def post(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    return await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=form)


async def test_the_end_of_a_job_and_its_log(
    client: httpx.AsyncClient, worker: PretendWorker, database: Database
) -> None:
    job_id = await submit(client, webhook_url=URL)
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["webhook_url"] == URL
    await submit(client)
    for _ in range(2):
        worker.succeed()
    page = (await client.get("/v1/webhooks/deliveries")).json()
    (delivery,) = page["deliveries"]
    assert page["next_cursor"] is None
    assert (delivery["type"], delivery["job"], delivery["batch"]) == ("job.succeeded", job_id, None)
    assert (delivery["url"], delivery["status"], delivery["tries"]) == (URL, "pending", [])
    assert delivery["body"]["data"] == {"id": job_id, "status": "succeeded"}
    with database.write() as session:
        (claimed,) = claim_due(session, "me", timedelta(seconds=60), {"example.org": 1})
        record(session, claimed.id, "me", Outcome(now(), 0.25, 410))
    query = {"job": job_id, "status": "given_up"}
    (delivery,) = (await client.get("/v1/webhooks/deliveries", params=query)).json()["deliveries"]
    assert delivery["next_try_at"] is None
    (tried,) = delivery["tries"]
    assert (tried["status"], tried["error"], tried["seconds"]) == (410, None, 0.25)
    for query in ({"job": str(uuid.uuid4())}, {"batch": job_id}, {"status": "delivered"}):
        assert (await client.get("/v1/webhooks/deliveries", params=query)).json()["deliveries"] == []
    again = await client.post(f"/v1/webhooks/deliveries/{delivery['id']}/retry")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert again.json()["tries"] == delivery["tries"]


@sqlite
async def test_pages(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    for _ in range(3):
        await submit(client, webhook_url=URL)
        worker.succeed()
    first = (await client.get("/v1/webhooks/deliveries", params={"limit": 2})).json()
    query = {"limit": 2, "cursor": first["next_cursor"]}
    second = (await client.get("/v1/webhooks/deliveries", params=query)).json()
    assert len({one["id"] for one in first["deliveries"] + second["deliveries"]}) == 3
    assert second["next_cursor"] is None
    for query in ({"cursor": "x"}, {"limit": 0}, {"status": "lost"}, {"job": "7"}):
        answer = await client.get("/v1/webhooks/deliveries", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@sqlite
@pytest.mark.parametrize(
    "url", ["x", "ftp://example.org/", "https://u:p@example.org/", "https://पथ.org/", "a" * 3000]
)
async def test_a_malformed_url(client: httpx.AsyncClient, url: str) -> None:
    answer = await post(client, webhook_url=url)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == ["webhook_url"]
    assert url not in answer.text


@sqlite
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://2130706433/",
        "http://[::1]/",
        "https://example.org:22/",
    ],
)
async def test_a_url_that_is_not_public(client: httpx.AsyncClient, url: str) -> None:
    answer = await post(client, webhook_url=url)
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_refused")


@sqlite
async def test_the_operator_allows_receivers_and_switches_webhooks_off(settings: Settings) -> None:
    allowed = settings.model_copy(update={"webhook_allow": ["127.0.0.1:9000"]})
    async with running(allowed) as (_, client):
        assert (await post(client, webhook_url="http://127.0.0.1:9000/")).status_code == 202
        assert (await post(client, webhook_url="http://127.0.0.1:9001/")).status_code == 422
    async with running(settings.model_copy(update={"webhooks": False})) as (_, client):
        assert (await post(client, webhook_url=URL)).json()["code"] == "webhook_refused"
        assert (await post(client)).status_code == 202


@sqlite
async def test_another_url_is_another_request(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    files = {"file": ("a.wav", AUDIO)}
    for url, status in ((URL, 202), (URL, 202), (URL + "2", 409)):
        answer = await client.post("/v1/jobs", files=files, data={"webhook_url": url}, headers=key)
        assert answer.status_code == status


@sqlite
async def test_the_simple_forms_take_none(client: httpx.AsyncClient) -> None:
    answer = await client.post("/transcribe/", files={"file": b"x"}, data={"webhook_url": URL})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@sqlite
async def test_the_secret_and_its_rotation(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/webhooks/secret")
    assert first.headers["cache-control"] == "no-store"
    assert first.json()["secret"].startswith("whsec_")
    assert (await client.get("/v1/webhooks/secret")).json() == first.json()
    second = (await client.post("/v1/webhooks/secret/rotate")).json()
    assert second["secret"] != first.json()["secret"]
    assert second["previous_until"] is not None
    assert (await client.get("/v1/webhooks/secret")).json() == second


@sqlite
async def test_other_tenants_see_nothing(
    client: httpx.AsyncClient, worker: PretendWorker, database: Database
) -> None:
    with database.write() as session:
        mine, other = (create_key(session, name, [Scope.SUBMIT, Scope.READ]) for name in ("a", "b"))
        reader = create_key(session, "c", [Scope.READ], tenant=mine.key.tenant)
    bearer = {key: {"Authorization": f"Bearer {key.secret}"} for key in (mine, other, reader)}
    files = {"file": ("a.wav", AUDIO)}
    await client.post("/v1/jobs", files=files, data={"webhook_url": URL}, headers=bearer[mine])
    worker.succeed()
    with database.read() as session:
        delivery_id = session.scalars(select(Delivery.id)).one()
    for key, count in ((mine, 1), (reader, 1), (other, 0)):
        answer = await client.get("/v1/webhooks/deliveries", headers=bearer[key])
        assert len(answer.json()["deliveries"]) == count
    address = f"/v1/webhooks/deliveries/{delivery_id}/retry"
    assert (await client.post(address, headers=bearer[other])).json()["code"] == "delivery_not_found"
    assert (await client.post(address, headers=bearer[reader])).json()["code"] == "scope_missing"
    assert (await client.post(address, headers=bearer[mine])).status_code == 202
    secrets = [(await client.get("/v1/webhooks/secret", headers=bearer[key])).json() for key in (mine, other)]
    assert secrets[0]["secret"] != secrets[1]["secret"]
    assert (await client.get("/v1/webhooks/secret", headers=bearer[reader])).status_code == 403
