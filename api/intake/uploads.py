"""Streaming parser for a form with a recording: the file goes to disk as it arrives, text fields to memory.

Limits are enforced while streaming: a form that is too large or malformed, or has an unknown field, is
rejected at the first byte that shows it, and nothing of it stays on disk.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from anyio import CancelScope
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from api.http.invalid_fields import invalid_field, unknown_name
from api.intake.filenames import FALLBACK, name_in_header, text_of
from api.threads import Threads
from shared.errors import InvalidRequest, NotMultipart, UploadTooLarge
from shared.files import FileStore, StoredFile, Upload

FILE = "file"
BLOCK_BYTES = 1024**2
MAX_FIELD_BYTES = 24 * 1024  # room for a hundred hot-words of 64 characters, three bytes each
MAX_PARTS = 33  # 32 fields and the file; repetitions of a field do not count
MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 8
# Fields of such a name may be repeated; their values are joined with line breaks.
LIST_SUFFIX = "[]"
# Most bytes of a form besides its file: boundaries, headers, fields.
MAX_FORM_OVERHEAD = 1024**2


class Arrival:
    """A file being received, buffered into blocks that a thread writes to the store.

    Attributes:
        name: the client's file name, cleaned for display.
        size: bytes received so far.
    """

    def __init__(self, store: FileStore, threads: Threads, max_bytes: int) -> None:
        self._store = store
        self._upload: Upload = store.receive(max_bytes)
        self._threads = threads
        self._buffer = bytearray()
        self.name = FALLBACK
        self.size = 0

    async def require_room(self, size: int) -> None:
        """Check before reading the body that ``size`` bytes fit on the disk.

        Raises:
            StorageFull: they would eat into the disk reserve.
        """
        await self._threads.file(lambda: self._store.require_room(size))

    async def add(self, data: bytes) -> None:
        """Append received bytes.

        Raises:
            UploadTooLarge: the file exceeds its limit.
            StorageFull: the disk is full.
        """
        self._buffer += data
        self.size += len(data)
        if len(self._buffer) >= BLOCK_BYTES:
            await self._threads.file(self._flush)

    def commit(self) -> StoredFile:
        """Move the complete file into the store. Blocks, so call it in a thread. Raises as :meth:`add`."""
        self._flush()
        return self._upload.commit()

    async def close(self) -> None:
        """Delete the partial file, unless it was committed."""
        if self._upload.is_open:
            with CancelScope(shield=True):
                await self._threads.file(self._upload.close)

    def _flush(self) -> None:
        block = bytes(self._buffer)
        self._buffer.clear()
        self._upload.write(block)


class Form(NamedTuple):
    """A form that was received completely."""

    file: Arrival
    fields: dict[str, str]


@asynccontextmanager
async def receive_form(
    request: Request, arrival: Arrival, *, max_bytes: int, known: frozenset[str]
) -> AsyncIterator[Form]:
    """Read the request's ``multipart/form-data`` body. Discards the file at the end unless it was committed.

    Args:
        request: the request, with its body not yet read.
        arrival: receives the ``file`` part.
        max_bytes: size limit of the file.
        known: names of the allowed text fields.

    Raises:
        NotMultipart: the body has a different media type.
        UploadTooLarge: the file or the rest of the form is too large.
        InvalidRequest: the form is malformed or truncated, or a field is missing, unknown, repeated or too
            long.
        StorageFull: the disk is full.
        ClientDisconnect: the client disconnected.
    """
    reader = _FormReader(_boundary_of(request), arrival, known)
    declared = _declared_bytes(request)
    _refuse_excess(declared, max_bytes)
    await arrival.require_room(declared)
    try:
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            await reader.feed(chunk)
            if received - arrival.size > MAX_FORM_OVERHEAD:
                raise UploadTooLarge(
                    f"The form has more than {MAX_FORM_OVERHEAD:,} bytes besides its file. "
                    "Send only the recording and its options."
                )
        yield Form(arrival, reader.finish())
    finally:
        await arrival.close()


def _boundary_of(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data":
        raise NotMultipart("Send the recording as multipart/form-data, in a part named 'file'.")
    boundary = options.get(b"boundary", b"")
    # RFC 2046 allows 70 characters, but servers commonly accept more.
    if not 1 <= len(boundary) <= 200:
        raise InvalidRequest("The Content-Type header has no valid boundary: it takes 1 to 200 characters.")
    return boundary


def _declared_bytes(request: Request) -> int:
    """Return the request's Content-Length; 0 if it is absent or invalid."""
    declared = request.headers.get("content-length", "")
    return int(declared[:20]) if declared.isdecimal() else 0


def _refuse_excess(declared: int, max_bytes: int) -> None:
    if declared > max_bytes + MAX_FORM_OVERHEAD:
        raise UploadTooLarge(
            f"The request's body has {declared:,} bytes. A recording may have at most {max_bytes:,}."
        )


class _FormReader:
    """Turns the push parser's callbacks into file bytes and text fields.

    The callbacks only collect data. :meth:`feed` acts on it, because writing to disk must be awaited.
    """

    def __init__(self, boundary: bytes, arrival: Arrival, known: frozenset[str]) -> None:
        self._arrival = arrival
        self._known = known
        self._fields: dict[str, bytearray] = {}
        self._name = ""
        self._file_seen = False
        self._parts = 0
        self._ended = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._file_data: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )

    async def feed(self, chunk: bytes) -> None:
        """Parse the next chunk of the body and store the file's part of it."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("The form is malformed: it is not valid multipart/form-data.") from error
        for data in self._file_data:
            await self._arrival.add(data)
        self._file_data.clear()

    def finish(self) -> dict[str, str]:
        """Return the text fields, after the end of the body."""
        if not self._ended:
            raise InvalidRequest("The form is truncated: its closing boundary is missing. Send it again.")
        if not self._file_seen:
            raise invalid_field(FILE, "The form has no part named 'file'. Send the recording in that part.")
        return {name: _text_of_field(name, bytes(value)) for name, value in self._fields.items()}

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidRequest(f"The form has more than {MAX_PARTS} parts.")
        self._headers.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise InvalidRequest("A part of the form has no name. Each part needs one.")
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise InvalidRequest(
                "A part of the form has an unsupported Content-Transfer-Encoding. Send its bytes unencoded."
            )
        self._name = text_of(options[b"name"])
        if self._name == FILE:
            if self._file_seen:
                raise invalid_field(FILE, "The form has two files. Send one recording per request.")
            self._file_seen = True
            self._arrival.name = name_in_header(options.get(b"filename"), disposition)
        elif self._name not in self._known:
            raise unknown_name(self._name, {FILE, *self._known})
        elif self._name in self._fields and self._name.endswith(LIST_SUFFIX):
            self._fields[self._name] += b"\n"
            self._parts -= 1  # bounded by the length of the field
        elif self._name in self._fields:
            raise invalid_field(self._name, "The form has this field twice. Send it once.")
        else:
            self._fields[self._name] = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self._file_data.append(data[start:end])
            return
        field = self._fields[self._name]
        field += data[start:end]
        if len(field) > MAX_FIELD_BYTES:
            raise invalid_field(self._name, f"The field is longer than {MAX_FIELD_BYTES:,} bytes.")

    def _on_end(self) -> None:
        self._ended = True


def _text_of_field(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise invalid_field(name, "The field is not UTF-8 text.") from error
