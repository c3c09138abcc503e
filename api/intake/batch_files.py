"""The files of a batch on their way in: many recordings, or one archive of them."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import closing

from anyio import CancelScope
from starlette.requests import ClientDisconnect

from api.http.invalid_fields import invalid_field
from api.intake.archives import (
    BLOCK_BYTES,
    Limits,
    Recording,
    extract,
    opened_archive,
    require_no_archive,
    too_many_bytes,
    too_many_recordings,
)
from api.intake.filenames import display_name
from api.intake.member_names import MemberPath, member_path
from api.intake.uploads import FILE, MAX_FORM_OVERHEAD
from api.threads import Threads
from shared.errors import BatchEmpty
from shared.files import FileStore, Spool, Upload

ARCHIVE = "archive"
# Most bytes of a form for each of its files: its boundary and headers.
OVERHEAD_A_FILE = 2048
# How long a thread extracts before others may use it and the client is looked after.
EXTRACT_SECONDS = 0.5


class BatchFiles:
    """Receives the files of a form and keeps them in the store until they have jobs.

    :meth:`close` deletes them, unless :meth:`keep` was called. The sweeper deletes files without a job that
    are older than ``orphan_seconds``, so those that wait for the rest of their batch are touched meanwhile.

    Attributes:
        recordings: the complete recordings, in the order of arrival.
        skipped: what of the archive is no recording, as ``{name, reason}``.
        archive_name: the archive's file name, cleaned for display; empty without an archive.
    """

    parts = frozenset({FILE, ARCHIVE})

    def __init__(self, store: FileStore, threads: Threads, limits: Limits, *, orphan_seconds: float) -> None:
        self._store = store
        self._threads = threads
        self._limits = limits
        self._touch_seconds = orphan_seconds / 4
        self._touched_at = time.monotonic()
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._files = 0
        self._upload: Upload | None = None
        self._path = MemberPath("", "")
        self._archive: Spool | None = None
        self._is_kept = False
        self.recordings: list[Recording] = []
        self.skipped: list[dict[str, str]] = []
        self.archive_name = ""
        self.size = 0

    @property
    def most(self) -> int:
        """As :attr:`api.intake.uploads.Files.most`; one more, so that :meth:`begin` tells what is wrong."""
        return self._limits.recordings + 1

    @property
    def overhead(self) -> int:
        """As :attr:`api.intake.uploads.Files.overhead`."""
        return MAX_FORM_OVERHEAD + OVERHEAD_A_FILE * self._files

    @property
    def has_archive(self) -> bool:
        """Whether the form has an archive, which :meth:`unpack` extracts."""
        return self._archive is not None

    @property
    def digest(self) -> str:
        """SHA-256 over the content of all files, in their order, in hexadecimal."""
        return self._hash.hexdigest()

    async def expect(self, declared: int) -> None:
        """As :meth:`api.intake.uploads.Files.expect`."""
        most = self._limits.bytes_all + MAX_FORM_OVERHEAD + OVERHEAD_A_FILE * self._limits.recordings
        if declared > most:
            raise too_many_bytes(self._limits)
        await self._threads.file(lambda: self._store.require_room(declared))

    def begin(self, part: str, name: str) -> None:
        """As :meth:`api.intake.uploads.Files.begin`.

        Raises:
            MemberRefused: the name of a recording is refused.
        """
        if self.has_archive or (part == ARCHIVE and self._files):
            raise invalid_field(part, "Send one archive, or recordings in parts named 'file', not both.")
        self._files += 1
        if part == ARCHIVE:
            self._archive = self._store.spool(self._limits.bytes_all)
            self.archive_name = display_name(name)
            return
        if self._files > self._limits.recordings:
            raise too_many_recordings(self._limits)
        self._path = member_path(name)
        self._upload = self._store.receive(self._limits.bytes_each)

    async def add(self, data: bytes) -> None:
        """As :meth:`api.intake.uploads.Files.add`."""
        self._buffer += data
        self.size += len(data)
        if self.size > self._limits.bytes_all:
            raise too_many_bytes(self._limits)
        if len(self._buffer) >= BLOCK_BYTES:
            await self._threads.file(self._flush)

    async def end(self) -> None:
        """As :meth:`api.intake.uploads.Files.end`."""
        await self._threads.file(self._end)

    def require_complete(self) -> None:
        """As :meth:`api.intake.uploads.Files.require_complete`."""
        if not self._files:
            raise BatchEmpty(
                "The form has no file. Send recordings in parts named 'file', or a zip in the part 'archive'."
            )

    async def unpack(self, is_gone: Callable[[], Awaitable[bool]]) -> None:
        """Extract the archive into the store, then delete it.

        Args:
            is_gone: returns whether the client has disconnected, which ends the extraction.

        Raises:
            ServiceError: see :mod:`api.intake.archives`.
            ClientDisconnect: the client has disconnected.
        """
        assert self._archive is not None
        with closing(self._extraction(self._archive)) as extraction:
            while await self._threads.batch(lambda: self._extract_some(extraction)):
                if await is_gone():
                    raise ClientDisconnect
        await self._threads.file(self._archive.close)

    def sync(self) -> None:
        """Wait until all recordings are on the disk. Blocks.

        Raises:
            UploadStalled: the sweeper deleted one as an abandoned file.
            StorageFull: the disk is full.
        """
        self._touch_if_due()
        self._store.sync(self._keys())

    def keep(self) -> None:
        """Leave the recordings in the store: they belong to jobs now."""
        self._is_kept = True

    async def close(self) -> None:
        """As :meth:`api.intake.uploads.Files.close`."""
        with CancelScope(shield=True):
            await self._threads.file(self._close)

    def _flush(self) -> None:
        receiver = self._archive or self._upload
        assert receiver is not None
        block = bytes(self._buffer)
        self._buffer.clear()
        if receiver.size == 0 and not self.has_archive:
            require_no_archive(block, self._path.name)
        receiver.write(block)
        self._touch_if_due()

    def _end(self) -> None:
        self._flush()
        if self._archive is not None:
            self._hash.update(bytes.fromhex(self._archive.sha256))
            return
        assert self._upload is not None
        stored = self._upload.commit(synced=False)
        self._hash.update(bytes.fromhex(stored.sha256))
        self.recordings.append(Recording(stored, self._path))

    def _extraction(self, archive: Spool) -> Generator[Recording, None, None]:
        with archive.reader() as file, opened_archive(file, archive.size, self._limits) as opened:
            self._store.require_room(opened.size)
            self.skipped = opened.skipped
            yield from extract(opened, self._store, self._limits)

    def _extract_some(self, extraction: Iterator[Recording]) -> bool:
        """Extract for a moment. Returns whether there is more to do."""
        until = time.monotonic() + EXTRACT_SECONDS
        for recording in extraction:
            self.recordings.append(recording)
            self._touch_if_due()
            if time.monotonic() >= until:
                return True
        return False

    def _touch_if_due(self) -> None:
        if time.monotonic() - self._touched_at >= self._touch_seconds:
            self._store.touch(*self._keys())
            self._touched_at = time.monotonic()

    def _close(self) -> None:
        for upload in (self._upload, self._archive):
            if upload is not None:
                upload.close()
        if not self._is_kept:
            self._store.discard(*self._keys())

    def _keys(self) -> list[str]:
        return [recording.file.key for recording in self.recordings]
