"""The file of a form with one recording, on its way into the store."""

from anyio import CancelScope

from api.http.invalid_fields import invalid_field
from api.intake.filenames import FALLBACK, display_name
from api.intake.uploads import FILE, MAX_FORM_OVERHEAD
from api.threads import Threads
from shared.errors import UploadTooLarge
from shared.files import FileStore, StoredFile, Upload

BLOCK_BYTES = 1024**2


class Arrival:
    """The file of a form with one recording, buffered into blocks that a thread writes to the store.

    Attributes:
        name: the client's file name, cleaned for display.
        size: bytes received so far.
    """

    parts = frozenset({FILE})
    most = 1
    overhead = MAX_FORM_OVERHEAD

    def __init__(self, store: FileStore, threads: Threads, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._upload: Upload = store.receive(max_bytes)
        self._threads = threads
        self._buffer = bytearray()
        self._is_there = False
        self.name = FALLBACK
        self.size = 0

    async def expect(self, declared: int) -> None:
        """As :meth:`Files.expect`."""
        if declared > self._max_bytes + MAX_FORM_OVERHEAD:
            raise UploadTooLarge(
                f"The request's body has {declared:,} bytes. "
                f"A recording may have at most {self._max_bytes:,}."
            )
        # What fits one block is measured when it is written. Without a length, nothing is known.
        if not 0 < declared <= BLOCK_BYTES:
            await self._threads.file(lambda: self._store.require_room(declared))

    def begin(self, part: str, name: str) -> None:
        """As :meth:`Files.begin`."""
        if self._is_there:
            raise invalid_field(part, "The form has two files. Send one recording per request.")
        self._is_there = True
        self.name = display_name(name)

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

    async def end(self) -> None:
        """As :meth:`Files.end`: :meth:`commit` writes the rest, once the form is known to be whole."""

    def require_complete(self) -> None:
        """As :meth:`Files.require_complete`."""
        if not self._is_there:
            raise invalid_field(FILE, "The form has no part named 'file'. Send the recording in that part.")

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
