"""Full disk: 507 with Retry-After, no leftovers, and recovery once there is space."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, func, select, text

from api.services import Services
from shared.database import Database
from shared.jobs.tables import Job
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files
from tests.api.small_disk import fill, small_disk

pytestmark = [pytest.mark.anyio, pytest.mark.stack]

MEGABYTE = 1024**2
FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}
HEAD = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
END = b"\r\n--xyz--\r\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def on_disk(settings: Settings, disk: Path) -> Settings:
    """Settings with the recordings on a disk of 8 MB, 2 MB of them reserved, and the database elsewhere."""
    return settings.model_copy(update={"data_dir": disk, "disk_reserve_bytes": 2 * MEGABYTE})


def is_refused(response: httpx.Response) -> bool:
    assert (response.status_code, response.json()["code"]) == (507, "storage_full"), response.text
    assert int(response.headers["retry-after"]) > 0
    return True


async def post(client: httpx.AsyncClient, size: int, **headers: str) -> httpx.Response:
    return await client.post("/v1/jobs", content=HEAD + bytes(size) + END, headers=FORM | headers)


def jobs_in(services: Services) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


async def test_what_is_announced_and_has_no_room_is_not_read(on_disk: Settings) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with running(on_disk) as (app, client):
        length = {"Content-Length": str(7 * MEGABYTE), "Expect": "100-continue"}
        assert is_refused(await client.post("/v1/jobs", content=never(), headers=FORM | length))
        assert stored_files(app.state.services) == []


async def test_what_announces_nothing_is_refused_while_it_arrives(on_disk: Settings) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        yield HEAD
        for _ in range(100):
            sent += 1
            yield bytes(MEGABYTE)
        yield END

    async with running(on_disk) as (app, client):
        assert is_refused(await client.post("/v1/jobs", content=pieces(), headers=FORM))
        assert stored_files(app.state.services) == []
        assert jobs_in(app.state.services) == 0
    assert 5 <= sent < 40, "what comes after the answer is dropped for a moment"


async def test_the_reserve_stays_free_and_room_is_used_again(on_disk: Settings, disk: Path) -> None:
    async with running(on_disk) as (app, client):
        ids = []
        while (response := await post(client, MEGABYTE)).status_code == 202:
            ids.append(response.json()["id"])
        assert is_refused(response)
        assert len(ids) >= 4
        assert len(stored_files(app.state.services)) == len(ids) == jobs_in(app.state.services)
        fill(disk).unlink()  # 2 MB were there
        for _ in range(2):  # cancelled, then erased
            await client.delete(f"/v1/jobs/{ids[0]}")
        assert (await post(client, MEGABYTE // 2)).status_code == 202


async def test_a_disk_that_is_filled_by_others(on_disk: Settings, disk: Path) -> None:
    """Without a reserve, writes fail with the kernel's ENOSPC."""
    async with running(on_disk.model_copy(update={"disk_reserve_bytes": 0})) as (app, client):
        assert (await post(client, 1000)).status_code == 202
        ballast = fill(disk)
        assert is_refused(await post(client, 100_000))
        assert is_refused(await post(client, 3 * MEGABYTE))
        assert len(stored_files(app.state.services)) == jobs_in(app.state.services) == 1
        ballast.unlink()
        assert (await post(client, 100_000)).status_code == 202


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_disk_that_fills_up_under_the_writing(
    on_disk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.files.folder.FolderStore.require_room", lambda *_: None)
    async with running(on_disk) as (app, client):
        assert is_refused(await post(client, 20 * MEGABYTE))
        assert stored_files(app.state.services) == []
        assert (await post(client, MEGABYTE)).status_code == 202


async def _until_full(services: Services, client: httpx.AsyncClient) -> None:
    for _ in range(2000):
        response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})
        if response.status_code != 202:
            assert is_refused(response)
            assert len(stored_files(services)) == jobs_in(services)
            return
    raise AssertionError("the disk does not fill up")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_disk_of_sqlite(settings: Settings, disk: Path, database_url: str) -> None:
    path = disk / "shrutlekh.db"
    path.write_bytes(Path(database_url.removeprefix("sqlite:///")).read_bytes())
    moved = Settings(**{**settings.model_dump(), "database_url": f"sqlite:///{path}"})
    async with running(moved) as (app, client):
        assert (await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})).status_code == 202
        ballast = fill(disk)
        await _until_full(app.state.services, client)
        assert (await client.get("/v1/jobs")).status_code == 200
        ballast.unlink()
        assert (await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})).status_code == 202


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_full_disk_of_postgres(settings: Settings, database: Database) -> None:
    with database.read() as session:
        owner = Path(session.scalar(text("SHOW data_directory")) or "").stat()
    with (
        tempfile.TemporaryDirectory() as place,  # the server is another user, whom pytest's folder keeps out
        small_disk(Path(place) / "disk") as disk,
    ):
        Path(place).chmod(0o755)
        os.chown(disk, owner.st_uid, owner.st_gid)
        name = f"small_{os.getpid()}"
        engine = create_engine(settings.database_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE TABLESPACE {name} LOCATION '{disk}'"))
            connection.execute(text(f"ALTER TABLE job_events SET TABLESPACE {name}"))
        try:
            async with running(settings) as (app, client):
                ballast = fill(disk)
                await _until_full(app.state.services, client)
                assert (await client.get("/v1/jobs")).status_code == 200
                ballast.unlink()
                assert (await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})).status_code == 202
        finally:
            with engine.connect() as connection:
                connection.execute(text("ALTER TABLE job_events SET TABLESPACE pg_default"))
                connection.execute(text(f"DROP TABLESPACE {name}"))
            engine.dispose()
