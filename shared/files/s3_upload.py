"""A file on its way into a bucket: a small one in one request, others in parts, sent as they fill up."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from shared.errors import StorageUnavailable
from shared.files.s3_client import NoSuchUpload, translated_errors
from shared.files.store import StoredFile, Upload, new_key, stalled

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    from shared.files.s3 import S3Store

PART_BYTES = 8 * 2**20
MOST_PARTS = 10_000

log = structlog.get_logger(__name__)


def part_bytes(max_bytes: int) -> int:
    """Return the size of the parts of a file of at most ``max_bytes``: S3 takes 10,000 parts."""
    return max(PART_BYTES, -(-max_bytes // MOST_PARTS))


class S3Upload(Upload):
    """A file being written to the bucket. It holds at most one part in memory.

    All parts but the last have the same size, as some S3-compatible servers demand.
    """

    def __init__(self, store: "S3Store", max_bytes: int) -> None:
        super().__init__(max_bytes)
        self._store = store
        self._key = new_key()
        self._name = store.name(self._key)
        self._part_bytes = part_bytes(max_bytes)
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._began = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether the bucket holds parts, which :meth:`close` removes."""
        return self._upload_id is not None

    def commit(self, *, synced: bool = True) -> StoredFile:  # noqa: ARG002 - what is acknowledged is durable
        """Send the rest and make it a file. Raises as :meth:`Upload.commit`."""
        if self._upload_id is None:
            self._put()
        else:
            if self._buffer:
                self._send_part()
            self._complete(self._upload_id)
        self._upload_id = None
        if time.monotonic() - self._began > self._store.fresh_seconds:
            self._store.touch(self._key)  # AWS dates it to the upload's beginning: it would count as old
        return StoredFile(self._key, self.size, self.sha256)

    def close(self) -> None:
        """Remove the parts, unless they were committed. If the storage is away, the sweeper does so later."""
        self._buffer = bytearray()
        if self._upload_id is None:
            return
        upload, self._upload_id = self._upload_id, None
        try:
            with suppress(NoSuchUpload, FileNotFoundError):
                self._store.abort(self._name, upload)
        except StorageUnavailable:
            log.warning("upload_not_aborted", key=self._key)

    def _append(self, block: bytes) -> None:
        self._hash.update(block)
        rest = memoryview(block)
        while rest:
            room = self._part_bytes - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]
            if len(self._buffer) == self._part_bytes:
                self._send_part()

    def _put(self) -> None:
        with translated_errors("put"):
            self._store.client.put_object(Bucket=self._store.bucket, Key=self._name, Body=self._buffer)  # type: ignore[arg-type]
        self._buffer = bytearray()

    def _send_part(self) -> None:
        try:
            with translated_errors("upload part"):
                client, bucket = self._store.client, self._store.bucket
                if self._upload_id is None:
                    begun = client.create_multipart_upload(Bucket=bucket, Key=self._name)
                    self._upload_id = begun["UploadId"]
                number = len(self._parts) + 1
                sent = client.upload_part(
                    Bucket=bucket,
                    Key=self._name,
                    UploadId=self._upload_id,
                    PartNumber=number,
                    Body=self._buffer,  # type: ignore[arg-type]
                )
        except NoSuchUpload as error:
            raise stalled() from error
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})
        self._buffer = bytearray()

    def _complete(self, upload_id: str) -> None:
        try:
            with translated_errors("complete upload"):
                self._store.client.complete_multipart_upload(
                    Bucket=self._store.bucket,
                    Key=self._name,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": self._parts},
                )
        except NoSuchUpload as error:
            # A try whose answer was lost may have completed it; else the sweeper removed it.
            with suppress(FileNotFoundError):
                if self._store.size(self._key) == self.size:
                    return
            raise stalled() from error
