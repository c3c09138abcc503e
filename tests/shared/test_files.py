import errno
import hashlib
import os
import time
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import StorageFull, UploadStalled, UploadTooLarge
from shared.files import FolderStore


def test_a_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with closing(store.receive(max_bytes=10)) as upload:
        upload.write(b"hello")
        upload.write(b"world")
        stored = upload.commit()
    assert store.path(stored.key).read_bytes() == b"helloworld"
    assert (stored.size, stored.sha256) == (10, hashlib.sha256(b"helloworld").hexdigest())
    assert list(store.keys()) == [stored.key]
    store.delete(stored.key)
    store.delete(stored.key)
    assert list(store.keys()) == []


def test_one_byte_too_many_leaves_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(UploadTooLarge), closing(store.receive(max_bytes=4)) as upload:
        upload.write(b"1234")
        upload.write(b"5")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_upload_given_up_leaves_nothing(tmp_path: Path) -> None:
    with closing(FolderStore(tmp_path).receive(max_bytes=10)) as upload:
        upload.write(b"half")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_full_disk_is_named_and_leaves_nothing() -> None:
    if not Path("/dev/shm").is_dir() or os.geteuid() != 0:
        pytest.skip("needs a small file system, which only root can mount")
    mount = Path("/dev/shm/shrutlekh-full")
    mount.mkdir(exist_ok=True)
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {mount} 2>/dev/null"):
        pytest.skip("this machine lets nobody mount")
    try:
        with pytest.raises(StorageFull), closing(FolderStore(mount).receive(max_bytes=2**20)) as upload:
            for _ in range(32):
                upload.write(bytes(8192))
        assert not [path for path in mount.rglob("*") if path.is_file()]
    finally:
        os.system(f"umount {mount}")
        mount.rmdir()


def test_a_full_disk_at_the_last_moment_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull), closing(FolderStore(tmp_path).receive(max_bytes=10)) as upload:
        upload.write(b"x")
        upload.commit()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_a_crash_left_of_uploads_is_removed_when_old(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "ab").mkdir()
    old, young = tmp_path / "ab" / "ab1.part", tmp_path / "ab" / "ab2.part"
    for path, moment in ((old, 1000), (young, 3000)):
        path.write_bytes(b"x")
        os.utime(path, (moment, moment))
    assert store.remove_partial(older_than=2000) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert list(store.keys()) == []


def test_an_upload_that_was_swept_away_says_so(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with closing(store.receive(100)) as upload:
        upload.write(b"abc")
        assert store.remove_partial(older_than=time.time() + 1) == 1
        with pytest.raises(UploadStalled):
            upload.commit()
    assert not list(store.keys())


def test_old_files_are_told_from_young_ones_and_from_partial_ones(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for key, moment in (("ab1", 1000), ("ab2", 3000), ("cd3", 1000), ("cd4.part", 1000)):
        path = store.path(key)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (moment, moment))
    assert sorted(store.keys()) == ["ab1", "ab2", "cd3"]
    assert sorted(store.keys(older_than=2000)) == ["ab1", "cd3"]


def test_files_may_go_while_they_are_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    keys = [f"ab{number}" for number in range(50)]
    store.path("ab").parent.mkdir()
    for key in keys:
        store.path(key).write_bytes(b"x")
    listed = store.keys()
    first = next(listed)
    for key in keys:
        store.delete(key)
    assert {first, *listed} <= set(keys)
    assert list(FolderStore(tmp_path / "absent").keys()) == []


def test_listing_takes_no_memory_for_each_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.path("ab").parent.mkdir()
    for number in range(3000):
        store.path(f"ab{number}").touch()
    tracemalloc.start()
    listed = store.keys()
    assert sum(1 for _ in listed) == 3000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000


def test_files_may_be_synced_later_and_many_at_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    keys = []
    for number in range(20):
        with closing(store.receive(max_bytes=10)) as upload:
            upload.write(b"%d" % number)
            keys.append(upload.commit(synced=False).key)
    old = time.time() - 1000
    for key in keys:
        os.utime(store.path(key), (old, old))
    assert len(list(store.keys(old + 1))) == 20
    store.sync(keys)
    assert list(store.keys(old + 1)) == [], "they count as new"
    store.delete(keys[7])
    with pytest.raises(UploadStalled):
        store.sync(keys)


def test_an_upload_can_be_read_before_it_is_committed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with closing(store.receive(max_bytes=10)) as upload:
        upload.write(b"half")
        assert upload.sha256 == hashlib.sha256(b"half").hexdigest()
        with upload.reader() as file:
            upload.close()
            assert file.read() == b"half", "also if it is deleted meanwhile"
    with closing(store.receive(max_bytes=10)) as upload, upload.reader() as file:
        assert file.read() == b""
