"""What only the asynchronous client can do; tests/client/test_http.py has what both clients share."""

import inspect
import io

import anyio
from shrutlekh import AsyncShrutlekhClient, ShrutlekhClient

from tests.client.fake_service import FakeService


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    def interface(client: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(client, inspect.isfunction)
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in methods
            if name == "__init__" or not name.startswith("_")
        }

    asynchronous = interface(AsyncShrutlekhClient)
    del asynchronous["stream"]  # live audio and its text go both ways at the same time
    assert asynchronous == interface(ShrutlekhClient)


def test_a_cancelled_wait_leaves_the_job_and_the_client_usable(service: FakeService) -> None:
    service.seconds = 60

    async def give_up() -> None:
        async with AsyncShrutlekhClient(service.url) as client:
            job = await client.submit(io.BytesIO(b"abc"), name="a.wav")
            with anyio.move_on_after(0.1) as scope:
                await client.wait_for(job.id)
            assert scope.cancelled_caught
            assert (await client.job(job.id)).status == "queued"

    anyio.run(give_up)


def test_many_uploads_share_the_event_loop(service: FakeService) -> None:
    service.upload_seconds = 0.05

    async def submit_all() -> None:
        async with AsyncShrutlekhClient(service.url) as client, anyio.create_task_group() as tasks:
            for index in range(8):
                tasks.start_soon(client.submit, io.BytesIO(b"abc" * index))

    anyio.run(submit_all)
    assert len(service.jobs) == 8
    assert service.most_uploading > 1
