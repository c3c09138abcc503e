"""Streaming parser for a form with files: they go to disk as they arrive, text fields to memory.

Limits are enforced while streaming: a form that is too large or malformed, or has an unknown field, is
rejected at the first byte that shows it, and nothing of it stays on disk.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from api.http.invalid_fields import invalid_field, unknown_name
from api.intake.filenames import sent_name, text_of
from shared.errors import InvalidRequest, NotMultipart, UploadTooLarge

FILE = "file"
MAX_FIELD_BYTES = 24 * 1024  # room for a hundred hot-words of 64 characters, three bytes each
MAX_FIELDS = 32  # repetitions of a field do not count
MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 8
# Fields of such a name may be repeated; their values are joined with line breaks.
LIST_SUFFIX = "[]"
# Most bytes of a form besides its files: boundaries, headers, fields.
MAX_FORM_OVERHEAD = 1024**2


class Files(Protocol):
    """The files of a form: which parts it takes as files, and where their bytes go."""

    @property
    def parts(self) -> frozenset[str]:
        """Names of the parts that hold files."""

    @property
    def most(self) -> int:
        """How many files the form may have."""

    @property
    def overhead(self) -> int:
        """Most bytes of the form besides its files."""

    @property
    def size(self) -> int:
        """Bytes of files received so far."""

    async def expect(self, declared: int) -> None:
        """Check, before the body is read, that a form of ``declared`` bytes is not too large for the service.

        Raises:
            UploadTooLarge, BatchTooLarge: it exceeds the limits.
            StorageFull: it would eat into the disk reserve.
        """

    def begin(self, part: str, name: str) -> None:
        """Begin a file with the name that the client gave it.

        Raises:
            InvalidRequest: the form may not have this file besides those before.
        """

    async def add(self, data: bytes) -> None:
        """Append received bytes to the file.

        Raises:
            UploadTooLarge, BatchTooLarge: the file exceeds its limit.
            StorageFull: the disk is full.
        """

    async def end(self) -> None:
        """End the file. Raises as :meth:`add`."""

    def require_complete(self) -> None:
        """Check, after the end of the form, that it has the files that it needs.

        Raises:
            InvalidRequest, BatchEmpty: one is missing.
        """

    async def close(self) -> None:
        """Delete all that was received, unless it was taken over."""


@asynccontextmanager
async def receive_form(
    request: Request, files: Files, *, known: frozenset[str]
) -> AsyncIterator[dict[str, str]]:
    """Read the request's ``multipart/form-data`` body, and yield its text fields.

    At the end, files that were not taken over are deleted.

    Args:
        request: the request, with its body not yet read.
        files: receives the files.
        known: names of the allowed text fields.

    Raises:
        NotMultipart: the body has a different media type.
        UploadTooLarge: a file or the rest of the form is too large.
        BatchTooLarge: all files together are.
        InvalidRequest: the form is malformed or truncated, or a part is missing, unknown, repeated or too
            long.
        MemberRefused: a file has a refused name.
        StorageFull: the disk is full.
        ClientDisconnect: the client disconnected.
    """
    reader = _FormReader(_boundary_of(request), files, known)
    await files.expect(_declared_bytes(request))
    try:
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            await reader.feed(chunk)
            if received - files.size > files.overhead:
                raise UploadTooLarge(
                    f"The form has more than {files.overhead:,} bytes besides its files. "
                    "Send only recordings and their options."
                )
        yield reader.finish()
    finally:
        await files.close()


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


class _Begin(NamedTuple):
    """A file begins: its part, and the name that the client gave it."""

    part: str
    name: str


class _End:
    """The file that began last ends."""


class _FormReader:
    """Turns the push parser's callbacks into file bytes and text fields.

    The callbacks only collect data. :meth:`feed` acts on it, because writing to disk must be awaited.
    """

    def __init__(self, boundary: bytes, files: Files, known: frozenset[str]) -> None:
        self._files = files
        self._known = known
        self._fields: dict[str, bytearray] = {}
        self._name = ""
        self._parts = 0
        self._ended = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._file_events: list[_Begin | bytes | _End] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )

    async def feed(self, chunk: bytes) -> None:
        """Parse the next chunk of the body and store what it holds of files."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("The form is malformed: it is not valid multipart/form-data.") from error
        for event in self._file_events:
            match event:
                case _Begin(part, name):
                    self._files.begin(part, name)
                case bytes():
                    await self._files.add(event)
                case _End():
                    await self._files.end()
        self._file_events.clear()

    def finish(self) -> dict[str, str]:
        """Return the text fields, after the end of the body."""
        if not self._ended:
            raise InvalidRequest("The form is truncated: its closing boundary is missing. Send it again.")
        self._files.require_complete()
        return {name: _text_of_field(name, bytes(value)) for name, value in self._fields.items()}

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS + self._files.most:
            raise InvalidRequest(f"The form has more than {MAX_FIELDS + self._files.most:,} parts.")
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
        if self._name in self._files.parts:
            self._file_events.append(_Begin(self._name, sent_name(options.get(b"filename"), disposition)))
        elif self._name not in self._known:
            raise unknown_name(self._name, self._known | self._files.parts)
        elif self._name in self._fields and self._name.endswith(LIST_SUFFIX):
            self._fields[self._name] += b"\n"
            self._parts -= 1  # bounded by the length of the field
        elif self._name in self._fields:
            raise invalid_field(self._name, "The form has this field twice. Send it once.")
        else:
            self._fields[self._name] = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name in self._files.parts:
            self._file_events.append(data[start:end])
            return
        field = self._fields[self._name]
        field += data[start:end]
        if len(field) > MAX_FIELD_BYTES:
            raise invalid_field(self._name, f"The field is longer than {MAX_FIELD_BYTES:,} bytes.")

    def _on_part_end(self) -> None:
        if self._name in self._files.parts:
            self._file_events.append(_End())

    def _on_end(self) -> None:
        self._ended = True


def _text_of_field(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise invalid_field(name, "The field is not UTF-8 text.") from error
