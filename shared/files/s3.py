"""The file store in a bucket of S3-compatible storage."""

import hashlib
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import structlog

from shared.files.s3_client import NoSuchUpload, open_client, translated_errors, unavailable
from shared.files.s3_file import S3File, blocks_of
from shared.files.s3_upload import S3Upload
from shared.files.scratch import ScratchSpool, path_of, scratch_file, write_whole
from shared.files.store import (
    FileDamaged,
    FileStore,
    Interrupted,
    OpenFile,
    Spool,
    StoredFile,
    Upload,
    stalled,
)
from shared.settings import Settings

if TYPE_CHECKING:
    from io import FileIO

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef

AT_ONCE = 16
AT_ONE_DELETION = 1000
CHECK_SECONDS = 5.0
"""How long a successful :meth:`S3Store.check` holds: anybody may ask the API whether it is ready."""
LIST_PAYS = 20
"""A request that lists 1,000 files costs about as much as so many that ask for one file each."""
DOWNLOADS = 2

Result = TypeVar("Result")

_KEY = re.compile(r"[0-9a-f]{32}")

log = structlog.get_logger(__name__)


def open_s3(settings: Settings, reserve_bytes: int) -> "S3Store":
    """Return the store in the bucket that the settings name.

    Args:
        settings: the service's settings.
        reserve_bytes: space to leave free on the disk of the scratch files.
    """
    place = urlsplit(settings.files_url)
    return S3Store(
        open_client(settings),
        place.netloc,
        place.path.strip("/"),
        settings.scratch,
        reserve_bytes=reserve_bytes,
        fresh_seconds=settings.orphan_seconds / 4,
    )


class S3Store(FileStore):
    """Files by key in a bucket, under a prefix. Other objects there are left alone.

    Archives on their way in, and copies of recordings, are scratch files on the local disk.
    """

    is_remote = True

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        prefix: str,
        scratch: Path,
        *,
        reserve_bytes: int = 0,
        fresh_seconds: float = 900.0,
    ) -> None:
        """
        Args:
            client: see :func:`shared.files.s3_client.open_client`.
            bucket: name of a bucket that exists.
            prefix: what the names of the files begin with, without a slash at its end; may be empty.
            scratch: folder of the scratch files.
            reserve_bytes: space that archives leave free on its disk.
            fresh_seconds: an upload that took longer is dated anew when it is committed.
        """
        self.client = client
        self.bucket = bucket
        self.fresh_seconds = fresh_seconds
        self._prefix = f"{prefix}/" if prefix else ""
        self._scratch = scratch
        self._reserve_bytes = reserve_bytes
        self._checked_at = -math.inf

    def name(self, key: str) -> str:
        """Return the name of a file in the bucket."""
        return self._prefix + key

    def place(self, key: str) -> str:
        """Return the URL of a file."""
        return f"s3://{self.bucket}/{self.name(key)}"

    def receive(self, max_bytes: int) -> Upload:
        """Start an upload of at most ``max_bytes``."""
        return S3Upload(self, max_bytes)

    def spool(self, max_bytes: int) -> Spool:
        """Start to receive a file on the local disk."""
        return ScratchSpool(self._scratch, max_bytes, self._reserve_bytes)

    def require_room(self, size: int) -> None:
        """Do nothing: how much fits in a bucket shows when it is full."""

    def check(self) -> None:
        """Check that the bucket can be reached. A success is remembered for a few seconds."""
        if monotonic() - self._checked_at < CHECK_SECONDS:
            return
        try:
            with translated_errors("check"):
                self.client.head_bucket(Bucket=self.bucket)
        except FileNotFoundError as error:
            raise unavailable() from error
        self._checked_at = monotonic()

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Return the subset of the keys that have no complete file.

        Where the keys are close together in the bucket, it is listed, else each is asked for.
        """
        rest = sorted(set(keys))
        absent: set[str] = set()
        while rest:
            if len(rest) < LIST_PAYS:
                return absent | self._absent(rest)
            found, last = self._listed_from(rest[0])
            covered = len(rest) if last is None else bisect_right(rest, last)
            absent.update(key for key in rest[:covered] if key not in found)
            rest = rest[covered:]
            if covered < LIST_PAYS:
                few, rest = rest[: 10 * LIST_PAYS], rest[10 * LIST_PAYS :]
                absent |= self._absent(few)
        return absent

    def size(self, key: str) -> int:
        """Return the size of a file in bytes. Raises as :meth:`FileStore.size`."""
        try:
            with translated_errors("head"):
                return self.client.head_object(Bucket=self.bucket, Key=self.name(key))["ContentLength"]
        except FileNotFoundError:
            # The answer to a HEAD request does not tell a missing bucket from a missing file.
            with translated_errors("list"):
                listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.name(key), MaxKeys=1)
            for entry in listed.get("Contents", ()):
                return entry["Size"]
            raise

    def open(self, key: str, head_bytes: int) -> OpenFile:
        """Open a file. Raises as :meth:`FileStore.open`."""
        return S3File(self.client, self.bucket, self.name(key), head_bytes)

    @contextmanager
    def local(self, stored: StoredFile, give_up: Callable[[], bool] = lambda: False) -> Iterator[Path]:
        """Copy a file to a scratch file for the time of the block. Raises as :meth:`FileStore.local`."""
        with scratch_file(self._scratch) as file:
            for _ in range(DOWNLOADS):
                if self._download(stored, file, give_up):
                    break
                log.warning("download_differs", key=stored.key)
                file.seek(0)
                file.truncate()
            else:
                raise FileDamaged(f"{self.place(stored.key)} is not the file that was uploaded.")
            yield path_of(file)

    def touch(self, *keys: str) -> None:
        """Copy files onto themselves, which dates them anew; at most 5 GiB each. Raises as the base class."""

        def renew(key: str) -> None:
            name = self.name(key)
            with translated_errors("copy"):
                self.client.copy_object(
                    Bucket=self.bucket,
                    Key=name,
                    CopySource={"Bucket": self.bucket, "Key": name},
                    MetadataDirective="REPLACE",
                )

        try:
            self._at_once(renew, keys)
        except FileNotFoundError as error:
            raise stalled() from error

    def sync(self, keys: Sequence[str]) -> None:
        """Do nothing: the storage acknowledges a file when it is durable."""

    def delete(self, *keys: str) -> None:
        """Delete files. Does nothing about those that do not exist."""
        if len(keys) == 1:
            with suppress(FileNotFoundError), translated_errors("delete"):
                self.client.delete_object(Bucket=self.bucket, Key=self.name(keys[0]))
            return
        names = map(self.name, keys)
        while some := list(islice(names, AT_ONE_DELETION)):
            with translated_errors("delete"):
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": [{"Key": name} for name in some], "Quiet": True}
                )
            refused = [error for error in answer.get("Errors", ()) if error.get("Code") != "NoSuchKey"]
            if refused:
                log.error("storage_refused", action="delete", error_code=refused[0].get("Code"))
                raise unavailable()

    def keys(self, older_than: float = math.inf) -> Iterator[str]:
        """Yield the keys of complete files last modified before ``older_than`` (Unix time)."""
        paginator = self.client.get_paginator("list_objects_v2")
        pages = iter(paginator.paginate(Bucket=self.bucket, Prefix=self._prefix))
        while True:
            with translated_errors("list"):
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                key = self._key_of(entry["Key"])
                if key is not None and entry["LastModified"].timestamp() < older_than:
                    yield key

    def remove_partial(self, older_than: float) -> int:
        """Abort uploads whose last part was sent before ``older_than`` (Unix time). Returns their number."""
        before = datetime.fromtimestamp(older_than, UTC)
        removed = 0
        paginator = self.client.get_paginator("list_multipart_uploads")
        pages = iter(paginator.paginate(Bucket=self.bucket, Prefix=self._prefix))
        while True:
            with translated_errors("list uploads"):
                page = next(pages, None)
            if page is None:
                return removed
            for upload in page.get("Uploads", ()):
                if upload["Initiated"] < before and self._key_of(upload["Key"]) is not None:
                    with suppress(NoSuchUpload, FileNotFoundError):  # completed or aborted meanwhile
                        removed += self._abort_if_abandoned(upload, before)

    def abort(self, name: str, upload_id: str) -> None:
        """Remove a multipart upload with its parts.

        Raises:
            NoSuchUpload: it does not exist.
        """
        with translated_errors("abort"):
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=name, UploadId=upload_id)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _abort_if_abandoned(self, upload: "MultipartUploadTypeDef", before: datetime) -> bool:
        name, upload_id = upload["Key"], upload["UploadId"]
        pages = self.client.get_paginator("list_parts")
        with translated_errors("list parts"):
            for page in pages.paginate(Bucket=self.bucket, Key=name, UploadId=upload_id):
                if any(part["LastModified"] >= before for part in page.get("Parts", ())):
                    return False
        self.abort(name, upload_id)
        return True

    def _download(self, stored: StoredFile, file: "FileIO", give_up: Callable[[], bool]) -> bool:
        """Write the file to ``file``. Returns whether it is what was uploaded."""
        digest, size = hashlib.sha256(), 0
        with closing(blocks_of(self.client, self.bucket, self.name(stored.key))) as blocks:
            for block in blocks:
                if give_up():
                    raise Interrupted
                digest.update(block)
                size += len(block)
                if size > stored.size:
                    return False
                write_whole(file, block)
        return (size, digest.hexdigest()) == (stored.size, stored.sha256)

    def _key_of(self, name: str) -> str | None:
        """Return the key in a name; None for what the store has not made."""
        key = name.removeprefix(self._prefix)
        return key if _KEY.fullmatch(key) else None

    def _listed_from(self, key: str) -> tuple[set[str], str | None]:
        """Return up to 1,000 keys from ``key`` on, and the last one, or None if there are no more."""
        with translated_errors("list"):
            page = self.client.list_objects_v2(
                Bucket=self.bucket, Prefix=self._prefix, StartAfter=self.name(_before(key))
            )
        names = [entry["Key"] for entry in page.get("Contents", ())]
        last = names[-1].removeprefix(self._prefix) if page.get("IsTruncated") and names else None
        return {name.removeprefix(self._prefix) for name in names}, last

    def _absent(self, keys: Sequence[str]) -> set[str]:
        def is_absent(key: str) -> bool:
            try:
                self.size(key)
            except FileNotFoundError:
                return True
            return False

        return {key for key, absent in zip(keys, self._at_once(is_absent, keys), strict=True) if absent}

    def _at_once(self, work: Callable[[str], Result], keys: Sequence[str]) -> list[Result]:
        """Do the work for each key, several at a time. The first error ends it."""
        if len(keys) < 2:
            return [work(key) for key in keys]
        with ThreadPoolExecutor(min(AT_ONCE, len(keys))) as pool:
            return list(pool.map(work, keys))


def _before(key: str) -> str:
    """Return a text that the bucket orders before the key, and after practically all others before it."""
    return key[:-1]
