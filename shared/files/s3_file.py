"""Reading files of a bucket: streamed, and gone on with where a connection was lost."""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from shared.errors import StorageUnavailable
from shared.files import s3_client
from shared.files.s3_client import RangeBeyondEnd, translated_errors
from shared.files.store import OpenFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 256 * 1024


def blocks_of(
    client: "S3Client", bucket: str, name: str, first: int = 0, end: int | None = None
) -> Generator[bytes, None, None]:
    """Yield the bytes of an object from ``first`` up to ``end``, or to its end, in blocks.

    A lost connection is replaced, and the rest asked for, as long as each brings something.

    Raises:
        FileNotFoundError: there is no such object.
        StorageUnavailable: the storage does not answer.
    """
    etag = ""
    failures = 0
    while True:
        try:
            with translated_errors("get"):
                opened = client.get_object(Bucket=bucket, Key=name, **_range(first, end, etag))
        except RangeBeyondEnd:
            return
        etag = opened["ETag"]
        try:
            with closing(opened["Body"]) as body:
                while block := _read(body):
                    first += len(block)
                    failures = 0
                    yield block
        except StorageUnavailable:
            failures += 1
            if failures == s3_client.TRIES:
                raise
        else:
            return


def _read(body: Any) -> bytes:
    with translated_errors("read"):
        return bytes(body.read(BLOCK_BYTES))


def _range(first: int, end: int | None, etag: str) -> dict[str, Any]:
    """Return the parameters for a part of an object, the same one as before."""
    wanted: dict[str, Any] = {"IfMatch": etag} if etag else {}
    if first or end is not None:
        wanted["Range"] = f"bytes={first}-{'' if end is None else end - 1}"
    return wanted


class S3File(OpenFile):
    """An object, opened by reading its first bytes. Each iterator over its blocks is one request.

    Raises:
        FileNotFoundError: there is no such object.
        StorageUnavailable: the storage does not answer.
    """

    def __init__(self, client: "S3Client", bucket: str, name: str, head_bytes: int) -> None:
        self._client, self._bucket, self._name = client, bucket, name
        self._open: list[Generator[bytes, None, None]] = []
        try:
            with translated_errors("get"):
                opened = client.get_object(Bucket=bucket, Key=name, **_range(0, head_bytes, ""))
        except RangeBeyondEnd:
            self.size, self.head = 0, b""
            return
        with closing(opened["Body"]) as body:
            self.head = _read(body)
        self.size = int(opened["ContentRange"].rpartition("/")[2])

    def blocks(self, first: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``first`` up to ``end``. Raises as :meth:`OpenFile.blocks`."""
        if first >= end:
            return iter(())
        blocks = self._checked(first, end)
        self._open.append(blocks)
        return blocks

    def close(self) -> None:
        """End the requests."""
        for blocks in self._open:
            blocks.close()

    def _checked(self, first: int, end: int) -> Generator[bytes, None, None]:
        with closing(blocks_of(self._client, self._bucket, self._name, first, end)) as blocks:
            for block in blocks:
                first += len(block)
                yield block
        if first < end:
            raise EOFError("The file became shorter while it was read.")
