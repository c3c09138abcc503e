"""Archives of recordings: what is accepted, what is refused, and that nothing of a refused one stays."""

import io
import tracemalloc
import uuid
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from api.intake import batch_files
from api.intake.archives import Limits, extract, opened_archive
from api.intake.member_names import clutter_in, member_path
from api.services import Services
from shared.errors import ArchiveInvalid, BatchTooLarge, MemberRefused, ServiceError, UploadTooLarge
from shared.files import FolderStore
from shared.jobs import Selection, count_jobs, jobs_of_batch, page_of_batches
from shared.settings import Settings
from tests.api.archive_cases import ACCEPTED, LARGEST, LARGEST_BATCH, MEGABYTE, MOST, REFUSALS, written
from tests.api.front_end import stored_files
from tests.api.zip_files import Entry, zip_of

pytestmark = pytest.mark.anyio
# One database: it is the archives that are looked at.
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LIMITS = Limits(recordings=100, bytes_each=8 * MEGABYTE, bytes_all=64 * MEGABYTE)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with small limits."""
    limits = {"max_upload_bytes": LARGEST, "max_batch_bytes": LARGEST_BATCH, "batch_limit": MOST}
    return settings.model_copy(update=limits)


async def post(client: httpx.AsyncClient, archive: bytes, name: str = "tapes.zip") -> httpx.Response:
    return await client.post("/v1/batches", files={"archive": (name, archive)})


def stored_paths(services: Services, batch_id: str) -> list[str]:
    with services.database.read() as session:
        jobs = jobs_of_batch(session, uuid.UUID(batch_id), limit=1000)
        return [f"{job.folder}/{job.file_name}".removeprefix("/") for job in jobs]


@one_database
@pytest.mark.parametrize("case", ACCEPTED)
async def test_accepted(client: httpx.AsyncClient, services: Services, case: str) -> None:
    archive, paths = ACCEPTED[case]
    response = await post(client, archive)
    assert response.status_code == 202, response.text
    assert stored_paths(services, response.json()["id"]) == paths
    assert sorted(map(len, stored_files(services))) == [32] * len(paths), "the archive itself is gone"


@one_database
@pytest.mark.parametrize("case", REFUSALS)
async def test_refused(client: httpx.AsyncClient, services: Services, case: str) -> None:
    archive, status, code, reason = REFUSALS[case]
    response = await post(client, archive)
    problem = response.json()
    assert (response.status_code, problem["code"], problem.get("reason")) == (status, code, reason), problem
    assert problem["detail"].isprintable()
    assert stored_files(services) == []
    with services.database.read() as session:
        assert page_of_batches(session, None, limit=1).batches == []
        assert count_jobs(session, Selection()) == 0


def extracted(archive: bytes, folder: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    """Extract an archive without a service: contents by path."""
    store = FolderStore(folder)
    with opened_archive(io.BytesIO(archive), len(archive), limits) as opened:
        return {
            "/".join(filter(None, recording.path)): store.path(recording.file.key).read_bytes()
            for recording in extract(opened, store, limits)
        }


def test_contents_come_out_as_they_went_in(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.wav", b"a" * 3 * MEGABYTE, zipfile.ZIP_DEFLATED)
        file.writestr("tapes/b.wav", b"b" * 3 * MEGABYTE, zipfile.ZIP_STORED)
    assert extracted(archive.getvalue(), tmp_path) == {
        "a.wav": b"a" * 3 * MEGABYTE,
        "tapes/b.wav": b"b" * 3 * MEGABYTE,
    }


@pytest.mark.parametrize(
    ("archive", "error"),
    [
        (zip_of(Entry("a.wav", data=bytes(256 * MEGABYTE), size=8 * MEGABYTE)), ArchiveInvalid),
        (zip_of(*(Entry(f"{n}", data=bytes(8 * MEGABYTE)) for n in range(9))), BatchTooLarge),
        (zip_of(*(Entry(f"{n}/") for n in range(100_000))), BatchTooLarge),
        (zip_of(*(Entry(f"{n}/") for n in range(100_000)), listed=3, zip64=True), BatchTooLarge),
        (zip_of(Entry("a.wav", data=bytes(256 * MEGABYTE))), UploadTooLarge),
        (zip_of(*(Entry("x" * 50_000 + str(n)) for n in range(400))), BatchTooLarge),
    ],
)
def test_a_bomb_takes_little_memory(archive: bytes, error: type[ServiceError], tmp_path: Path) -> None:
    tracemalloc.start()
    with pytest.raises(error):
        extracted(archive, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * MEGABYTE
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) == 0


def test_a_large_member_takes_little_memory(tmp_path: Path) -> None:
    archive = zip_of(Entry("a.wav", data=bytes(64 * MEGABYTE)))
    limits = Limits(1, 64 * MEGABYTE, 64 * MEGABYTE)
    store = FolderStore(tmp_path)
    tracemalloc.start()
    with opened_archive(io.BytesIO(archive), len(archive), limits) as opened:
        (recording,) = extract(opened, store, limits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recording.file.size == 64 * MEGABYTE
    assert peak < 6 * MEGABYTE


@one_database
async def test_a_batch_that_goes_wrong_late_leaves_nothing(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_files, "EXTRACT_SECONDS", 0)
    archive = zip_of(*(f"{n}.wav" for n in range(10)), Entry("last.wav", crc=0))
    assert (await post(client, archive)).json()["code"] == "archive_invalid"
    assert stored_files(services) == []


@one_database
async def test_a_client_that_leaves_during_the_extraction_leaves_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch, client: httpx.AsyncClient
) -> None:
    monkeypatch.setattr(batch_files, "EXTRACT_SECONDS", 0)
    seen: list[int] = []

    async def is_gone(_request: object) -> bool:
        seen.append(len(stored_files(services)))
        return len(seen) == 3

    monkeypatch.setattr("starlette.requests.Request.is_disconnected", is_gone)
    assert (await post(client, written(*(f"{n}.wav" for n in range(10))))).status_code == 499
    assert seen == [2, 3, 4], "the archive and one recording more each time"
    assert stored_files(services) == []
    with services.database.read() as session:
        assert count_jobs(session, Selection()) == 0


@one_database
async def test_a_client_that_leaves_during_the_upload_leaves_nothing(
    client: httpx.AsyncClient, services: Services
) -> None:
    form = httpx.Request("POST", "http://x", files={"archive": ("a.zip", bytes(3 * MEGABYTE))})
    body = form.read()

    async def broken() -> AsyncIterator[bytes]:
        yield body[: 2 * MEGABYTE]
        raise ClientDisconnect

    headers = {"Content-Type": form.headers["Content-Type"]}
    assert (await client.post("/v1/batches", content=broken(), headers=headers)).status_code == 499
    assert stored_files(services) == []


@one_database
async def test_there_must_be_room_for_all_members_before_the_first_is_extracted(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(FolderStore, "require_room", lambda _store, size: asked.append(size))
    await post(client, zip_of(*(Entry(f"{n}", data=bytes(MEGABYTE)) for n in range(3))))
    assert 3 * MEGABYTE in asked
    assert len(stored_files(services)) == 3


@one_database
async def test_what_is_skipped_is_listed(client: httpx.AsyncClient) -> None:
    archive, _ = ACCEPTED["clutter"]
    assert (await post(client, archive)).json()["skipped"] == [
        {"name": name, "reason": "clutter"}
        for name in ("__MACOSX/", "in/.DS_Store", "Thumbs.db", "in/DESKTOP.INI")
    ]


@one_database
async def test_the_batch_has_the_name_of_its_archive(client: httpx.AsyncClient) -> None:
    archive = written("a.wav")
    assert (await post(client, archive, "टेप 1998.zip")).json()["name"] == "टेप 1998"
    named = await client.post(
        "/v1/batches", files={"archive": ("a.zip", archive)}, data={"name": " 5/98\n मई "}
    )
    assert named.json()["name"] == "5/98 मई"


NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(NAMES)
def test_a_cleaned_path_never_leads_out_of_its_folder(name: str) -> None:
    try:
        path = member_path(name)
    except MemberRefused:
        return
    components = [*path.folder.split("/"), path.name] if path.folder else [path.name]
    assert all(component.strip(". ") for component in components)
    assert not set("\\\0\n\r") & set("".join(components))
    clutter_in(name)


@given(st.lists(NAMES.filter(lambda name: name and not set(name) & set("/\\\0")), unique=True, max_size=5))
def test_names_survive_the_way_through_an_archive(names: list[str]) -> None:
    """Also those that the standard library writes, with its flags."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in names:
            file.writestr(f"tapes/{name}.wav", b"x")
    try:
        expected = [member_path(f"tapes/{name}.wav") for name in names if not clutter_in(f"{name}.wav")]
        with opened_archive(archive, len(archive.getvalue()), LIMITS) as opened:
            assert [member.path for member in opened.members] == expected
    except MemberRefused:
        return
