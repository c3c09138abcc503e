"""What both file stores do alike: the folder, and the bucket on a real S3 server."""

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import StorageUnavailable, UploadStalled, UploadTooLarge
from shared.files import FileStore, FolderStore, StoredFile
from shared.files.s3_upload import PART_BYTES
from tests.s3_server import S3Server
from tests.shared.stores import leftovers, s3_store

# Of nothing, of one part, of exactly one and two, of some.
SIZES = [0, 1, 300_000, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 2 * PART_BYTES + 5]


@pytest.fixture(params=["folder", "s3"])
def server(request: pytest.FixtureRequest) -> S3Server | None:
    return request.getfixturevalue("s3") if request.param == "s3" else None


@pytest.fixture
def store(server: S3Server | None, tmp_path: Path) -> Iterator[FileStore]:
    store = FolderStore(tmp_path / "files") if server is None else s3_store(server, tmp_path)
    yield store
    store.close()


def put(store: FileStore, content: bytes, block: int = 2**20) -> StoredFile:
    with closing(store.receive(2**30)) as upload:
        for begin in range(0, len(content), block):
            upload.write(content[begin : begin + block])
        return upload.commit()


def read(store: FileStore, key: str, first: int, end: int) -> bytes:
    with closing(store.open(key, 4)) as file:
        return b"".join(file.blocks(first, end))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", [2**20, 3 * PART_BYTES])
def test_a_file_comes_out_as_it_went_in(
    store: FileStore, server: S3Server | None, size: int, block: int
) -> None:
    content = os.urandom(size)
    stored = put(store, content, block)
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(content).hexdigest())
    with store.local(stored) as path:
        assert path.read_bytes() == content
    with closing(store.open(stored.key, 16)) as file:
        assert (file.size, file.head) == (size, content[:16])
        assert b"".join(file.blocks(0, size)) == content
        middle = size // 2
        assert b"".join(file.blocks(middle, min(middle + 70_000, size))) == content[middle : middle + 70_000]
    assert list(store.keys()) == [stored.key]
    assert store.size(stored.key) == size
    assert store.exists(stored.key)
    assert leftovers(store, server) == []
    store.delete(stored.key)
    store.delete(stored.key)
    assert list(store.keys()) == []
    assert not store.exists(stored.key)


@pytest.mark.parametrize("written", [0, 3, PART_BYTES + 3])
def test_an_upload_given_up_leaves_nothing(store: FileStore, server: S3Server | None, written: int) -> None:
    with closing(store.receive(2**30)) as upload:
        upload.write(bytes(written))
    upload.close()
    assert not upload.is_open
    assert list(store.keys()) == []
    assert leftovers(store, server) == []


@pytest.mark.parametrize("limit", [4, PART_BYTES + 4])
def test_one_byte_too_many_leaves_nothing(store: FileStore, server: S3Server | None, limit: int) -> None:
    with pytest.raises(UploadTooLarge), closing(store.receive(max_bytes=limit)) as upload:
        upload.write(bytes(limit))
        upload.write(b"5")
    assert list(store.keys()) == []
    assert leftovers(store, server) == []


def test_a_missing_file_is_told_by_every_way_to_it(store: FileStore) -> None:
    key = "0" * 32
    with pytest.raises(FileNotFoundError):
        store.open(key, 4)
    with pytest.raises(FileNotFoundError):
        store.size(key)
    with pytest.raises(FileNotFoundError), store.local(StoredFile(key, 1, "")):
        pass
    assert not store.exists(key)
    with pytest.raises(UploadStalled):
        store.touch(key)
    store.delete(key)


@pytest.mark.parametrize("there", [1, 60])
@pytest.mark.parametrize("asked", [1, 60])
def test_which_files_are_missing(store: FileStore, there: int, asked: int) -> None:
    stored = {put(store, b"x").key for _ in range(there)}
    absent = {secrets.token_hex(16) for _ in range(asked)}
    assert store.missing([*stored, *absent]) == absent
    assert store.missing(list(stored)) == set()
    assert store.missing([]) == set()


def test_many_are_deleted_at_once(store: FileStore) -> None:
    keys = [put(store, b"x").key for _ in range(30)]
    store.delete(*keys[:29], "0" * 32)
    assert list(store.keys()) == [keys[29]]
    store.delete()
    store.discard(keys[29])
    assert list(store.keys()) == []


def test_old_files_are_told_from_young_ones(store: FileStore) -> None:
    first = put(store, b"x").key
    time.sleep(2.1)  # S3 dates files to the second
    between = time.time() - 1
    second = put(store, b"x").key
    assert set(store.keys(between)) == {first}
    assert set(store.keys()) == {first, second}
    store.touch(first)
    assert list(store.keys(between)) == [], "it counts as new"
    store.sync([first, second])
    assert read(store, first, 0, 1) == b"x"


def test_what_a_crash_left_of_uploads_is_removed_when_old(store: FileStore, server: S3Server | None) -> None:
    upload = store.receive(2**30)
    upload.write(bytes(PART_BYTES))
    assert store.remove_partial(time.time() - 60) == 0
    assert len(leftovers(store, server)) == 1
    assert store.remove_partial(time.time() + 60) == 1
    assert leftovers(store, server) == []
    # moto answers 500 where S3 says NoSuchUpload, which test_s3.py covers.
    with pytest.raises(UploadStalled if server is None else StorageUnavailable):
        upload.commit()
    upload.close()
    assert list(store.keys()) == []


def test_many_uploads_at_once(store: FileStore, server: S3Server | None) -> None:
    contents = [os.urandom(PART_BYTES + 1000 if number % 4 == 0 else 5000) for number in range(24)]
    with ThreadPoolExecutor(12) as pool:
        stored = list(pool.map(lambda content: put(store, content), contents))
        assert [file.sha256 for file in stored] == [hashlib.sha256(each).hexdigest() for each in contents]

        def copied(file: StoredFile) -> bytes:
            with store.local(file) as path:
                return path.read_bytes()

        assert list(pool.map(copied, stored)) == contents
    assert leftovers(store, server) == []


def test_a_spool_can_be_read_and_is_dropped(store: FileStore, tmp_path: Path) -> None:
    with closing(store.spool(max_bytes=10)) as spool:
        spool.write(b"half")
        assert (spool.size, spool.sha256) == (4, hashlib.sha256(b"half").hexdigest())
        with spool.reader() as file:
            spool.close()
            assert file.read() == b"half", "also if it is deleted meanwhile"
            file.seek(1)
            assert file.read(2) == b"al"
    with closing(store.spool(max_bytes=3)) as spool, pytest.raises(UploadTooLarge):
        spool.write(b"more")
    assert list(store.keys()) == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_copies_leave_nothing_on_the_disk(store: FileStore, tmp_path: Path) -> None:
    stored = put(store, b"content")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with store.local(stored) as path:
        assert path.read_bytes() == path.read_bytes() == b"content"
    with pytest.raises(ZeroDivisionError), store.local(stored):
        _ = 1 / 0
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    assert threading.active_count() < 50
