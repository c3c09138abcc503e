"""The bucket in trouble: outages, cut and slow answers, refusals, damaged files; and what it costs."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from shared.errors import StorageFull, StorageUnavailable, UploadStalled
from shared.files import FileDamaged, FileStore, Interrupted, StoredFile
from shared.files.s3_client import unavailable
from shared.files.s3_upload import MOST_PARTS, PART_BYTES, part_bytes
from shared.settings import Settings
from tests.s3_server import BUCKET, CREDENTIALS, S3Server, s3_server
from tests.shared.stores import s3_store
from tests.shared.test_stores import put, read

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(s3: S3Server, tmp_path: Path) -> Iterator[FileStore]:
    store = s3_store(s3, tmp_path)
    yield store
    store.close()


@pytest.fixture
def own_server(s3: S3Server) -> Iterator[S3Server]:
    """A server that the test may kill."""
    with s3_server() as server:
        yield server


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.files.s3_client.READ_SECONDS", 0.5)
    monkeypatch.setattr("shared.files.s3_client.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("shared.files.s3_client.TRIES", 2)


Relay = Callable[[socket.socket, socket.socket, int], None]


@contextmanager
def proxied(server: S3Server, relay: Relay) -> Iterator[str]:
    """URL of a proxy whose ``relay`` passes on answers: from the server, to the client, connection number."""
    count = 0

    def serve(client: socket.socket, number: int) -> None:
        with client, socket.create_connection(("127.0.0.1", server.port)) as upstream:
            threading.Thread(target=pass_on, args=(client, upstream), daemon=True).start()
            with suppress(OSError):
                relay(upstream, client, number)
            for each in (client, upstream):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def listen(listener: socket.socket) -> None:
        nonlocal count
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                threading.Thread(target=serve, args=(client, count), daemon=True).start()
                count += 1

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)


def cut_after(size: int, connections: int) -> Relay:
    """Pass on only ``size`` bytes of an answer, for the first connections."""

    def relay(upstream: socket.socket, client: socket.socket, number: int) -> None:
        left = size if number < connections else sys.maxsize
        while left > 0 and (data := upstream.recv(min(left, 65536))):
            client.sendall(data)
            left -= len(data)

    return relay


def test_a_download_goes_on_where_it_was_cut(store: FileStore, s3: S3Server, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    stored = put(store, content)
    with proxied(s3, cut_after(1_000_000, connections=2)) as url:
        cut = s3_store(s3, tmp_path, url, files_url=store.place("").rstrip("/"))
        with closing(cut), cut.local(stored) as path:
            assert path.read_bytes() == content
    with proxied(s3, cut_after(1_000_000, connections=2)) as url:
        cut = s3_store(s3, tmp_path, url, files_url=store.place("").rstrip("/"))
        with closing(cut):
            assert read(cut, stored.key, 10, 2_500_000) == content[10:2_500_000]


def test_a_download_that_is_cut_always_is_an_outage(store: FileStore, s3: S3Server, tmp_path: Path) -> None:
    stored = put(store, bytes(3_000_000))
    with proxied(s3, cut_after(300, connections=sys.maxsize)) as url:
        cut = s3_store(s3, tmp_path, url, files_url=store.place("").rstrip("/"))
        with closing(cut), pytest.raises(StorageUnavailable), cut.local(stored):
            pass


def test_a_slow_server_is_waited_for(store: FileStore, s3: S3Server, tmp_path: Path) -> None:
    def relay(upstream: socket.socket, client: socket.socket, _number: int) -> None:
        while data := upstream.recv(65536):
            time.sleep(0.05)
            client.sendall(data)

    content = os.urandom(1_000_000)
    with proxied(s3, relay) as url:
        slow = s3_store(s3, tmp_path, url)
        with closing(slow):
            stored = put(slow, content)
            with slow.local(stored) as path:
                assert path.read_bytes() == content
            with pytest.raises(Interrupted), slow.local(stored, lambda: True):
                pass


@pytest.mark.usefixtures("_impatient")
def test_a_frozen_server_is_an_outage_in_bounded_time(own_server: S3Server, tmp_path: Path) -> None:
    store = s3_store(own_server, tmp_path)
    stored = put(store, b"x")
    own_server.freeze()
    began = time.monotonic()
    for act in (store.check, lambda: put(store, b"y"), lambda: store.exists(stored.key)):
        with pytest.raises(StorageUnavailable):
            act()
    assert time.monotonic() - began < 30
    own_server.thaw()
    assert store.exists(stored.key)
    store.check()
    store.close()


def test_a_server_that_dies_in_the_middle(
    own_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.files.s3_client.TRIES", 2)
    store = s3_store(own_server, tmp_path)
    stored = put(store, bytes(30_000_000))  # more than the kernel's buffers take
    upload = store.receive(2**30)
    upload.write(bytes(PART_BYTES))
    file = store.open(stored.key, 16)
    blocks = file.blocks(0, stored.size)
    assert next(blocks)
    own_server.kill()
    with pytest.raises(StorageUnavailable):
        upload.write(bytes(PART_BYTES))
    upload.close()
    assert not upload.is_open
    with pytest.raises(StorageUnavailable):
        for _ in blocks:
            pass
    file.close()
    actions: list[Callable[[], object]] = [
        lambda: put(store, b"x"),
        lambda: put(store, bytes(PART_BYTES + 1)),
        lambda: store.open(stored.key, 16),
        lambda: store.size(stored.key),
        lambda: store.missing([stored.key]),
        lambda: store.missing([f"{number:032x}" for number in range(50)]),
        lambda: store.delete(stored.key),
        lambda: store.delete(stored.key, "0" * 32),
        lambda: store.touch(stored.key),
        lambda: list(store.keys()),
        lambda: store.remove_partial(time.time()),
        lambda: store.local(stored).__enter__(),
        store.check,
    ]
    for act in actions:
        with pytest.raises(StorageUnavailable):
            act()
    store.discard(stored.key)  # only logged
    store.close()


def test_a_missing_bucket_is_no_missing_file(s3: S3Server, tmp_path: Path) -> None:
    store = s3_store(s3, tmp_path, files_url="s3://another-bucket/a")
    key = "0" * 32
    actions: list[Callable[[], object]] = [
        lambda: put(store, b"x"),
        lambda: put(store, bytes(PART_BYTES + 1)),
        lambda: store.open(key, 16),
        lambda: store.size(key),
        lambda: store.exists(key),
        lambda: store.missing([f"{number:032x}" for number in range(50)]),
        lambda: store.local(StoredFile(key, 1, "")).__enter__(),
        lambda: store.touch(key),
        store.check,
    ]
    for act in actions:
        with pytest.raises(StorageUnavailable):
            act()
    store.close()


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", StorageUnavailable),
        (403, "InvalidAccessKeyId", StorageUnavailable),
        (503, "SlowDown", StorageUnavailable),
        (507, "XMinioStorageFull", StorageFull),
        (403, "QuotaExceeded", StorageFull),
    ],
)
def test_refusals(s3: S3Server, tmp_path: Path, status: int, code: str, error: type[Exception]) -> None:
    """The server answers all requests with an error, as servers of this protocol do."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"

    def relay(_upstream: socket.socket, client: socket.socket, _number: int) -> None:
        client.sendall(head.encode() + body)

    with proxied(s3, relay) as url, closing(s3_store(s3, tmp_path, url)) as store:
        with pytest.raises(error):
            put(store, b"x")
        with pytest.raises(error):
            put(store, bytes(PART_BYTES))
        with pytest.raises(error):
            store.open("0" * 32, 4)


@pytest.mark.parametrize("parts", [1, 2])
def test_an_upload_that_was_swept_away_says_so(s3: S3Server, tmp_path: Path, parts: int) -> None:
    """As a server of this protocol answers when the multipart upload was aborted."""
    body = b"<?xml version='1.0'?><Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>"
    refusal = f"HTTP/1.1 404 No\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    swept = threading.Event()

    def relay(upstream: socket.socket, client: socket.socket, _number: int) -> None:
        while data := upstream.recv(65536):
            if swept.is_set():
                swept.clear()
                client.sendall(refusal.encode() + body)
                return
            client.sendall(data)

    with proxied(s3, relay) as url, closing(s3_store(s3, tmp_path, url)) as store:
        upload = store.receive(2**30)
        upload.write(bytes(PART_BYTES))
        assert store.remove_partial(time.time() + 60) == 1
        swept.set()
        with pytest.raises(UploadStalled):
            upload.write(bytes(PART_BYTES * (parts - 1)))
            upload.commit()
        upload.close()
        assert not upload.is_open


def test_without_credentials_it_is_an_outage(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with closing(s3_store(s3, tmp_path)) as store, pytest.raises(StorageUnavailable):
        put(store, b"x")


def test_a_file_that_was_changed_is_damaged(store: FileStore, s3: S3Server) -> None:
    stored = put(store, b"the truth")
    name = store.place(stored.key).removeprefix(f"s3://{BUCKET}/")
    for lie in (b"the trush", b"the", b"the truth and more"):
        s3.client().put_object(Bucket=BUCKET, Key=name, Body=lie)
        with pytest.raises(FileDamaged), store.local(stored):
            pass


def test_other_objects_in_the_bucket_are_left_alone(store: FileStore, s3: S3Server) -> None:
    prefix = store.place("").removeprefix(f"s3://{BUCKET}/")
    s3.client().put_object(Bucket=BUCKET, Key=f"{prefix}backup.tar", Body=b"x")
    s3.client().create_multipart_upload(Bucket=BUCKET, Key=f"{prefix}another.tar")
    key = put(store, b"x").key
    assert list(store.keys()) == [key]
    assert store.remove_partial(time.time() + 60) == 0


def test_a_commit_whose_answer_was_lost_has_taken_effect(
    store: Any, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = store.client.complete_multipart_upload

    def twice(**arguments: Any) -> Any:
        complete(**arguments)
        return complete(**arguments)

    monkeypatch.setattr(store.client, "complete_multipart_upload", twice)
    stored = put(store, bytes(PART_BYTES + 9))
    assert store.size(stored.key) == PART_BYTES + 9


def test_a_slow_upload_counts_as_new_when_it_is_committed(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = s3_store(s3, tmp_path, orphan_seconds=0.4)
    touched: list[str] = []
    monkeypatch.setattr(store, "touch", lambda *keys: touched.extend(keys))
    put(store, b"x")
    assert touched == []
    with closing(store.receive(100)) as upload:
        upload.write(b"x")
        time.sleep(0.2)
        assert touched == []
        assert upload.commit().key in touched
    store.close()


def test_files_of_neighbours_are_listed_and_others_asked_for(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    store.client.meta.events.register(
        "before-call.s3", lambda model, **_: requests.append(model.name), unique_id="count"
    )
    stored = sorted(put(store, b"x").key for _ in range(60))
    absent = [key[:-1] + "g" for key in stored]
    requests.clear()
    assert store.missing([*stored, *absent]) == set(absent)
    assert requests == ["ListObjectsV2"]
    requests.clear()
    monkeypatch.setattr(store, "_listed_from", lambda key: ({key}, key))  # a bucket of a million others
    assert store.missing(stored) == set()
    assert set(requests) == {"HeadObject"}
    assert len(requests) < 60


def test_parts_are_few_enough() -> None:
    assert part_bytes(2 * 2**30) == PART_BYTES
    for most in (MOST_PARTS * PART_BYTES, MOST_PARTS * PART_BYTES + 1, 2**40):
        assert MOST_PARTS * part_bytes(most) >= most
    assert "storage" in unavailable().message


MEMORY = """
import os, resource, sys
from contextlib import closing
from pathlib import Path
from shared.files import open_store
from shared.settings import Settings
store = open_store(Settings(data_dir=Path(sys.argv[1])))
with closing(store.receive(2**30)) as upload:
    upload.write(b"x")
    small = upload.commit()
with store.local(small): pass
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with closing(store.receive(2**30)) as upload:
    block = os.urandom(2**20)
    for _ in range(200):
        upload.write(block)
    stored = upload.commit()
with store.local(stored) as path:
    assert path.stat().st_size == 200 * 2**20
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_is_bounded_for_large_files(own_server: S3Server, tmp_path: Path) -> None:
    path = os.pathsep.join((str(ROOT), str(ROOT / "client")))
    environment = os.environ | own_server.environment("memory") | {"PYTHONPATH": path}
    grown = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(grown.stdout) < 4 * PART_BYTES / 2**20, "MiB for 200 MiB"


def test_the_sdk_is_not_imported_for_a_folder() -> None:
    code = "import sys, api.app, worker.sweeper, shared.files; print('botocore' in sys.modules)"
    path = os.pathsep.join((str(ROOT), str(ROOT / "client")))
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.strip() == "False"


def test_settings_of_a_bucket_are_checked() -> None:
    for url in ("/files", "s3:/a/b", "s3://", "s3://a", "s3://Bucket", "s3://bucket//x", "s3://bucket/a b"):
        with pytest.raises(ValueError, match="must be s3"):
            Settings(files_url=url)
    for url in ("", "s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b_c"):
        assert Settings(files_url=url).files_url == url.rstrip("/")
    for endpoint in ("minio:9000", "ftp://minio", "https://user:secret@minio", "https://minio/bucket"):
        with pytest.raises(ValueError, match="must be a URL"):
            Settings(s3_endpoint=endpoint)
