"""The results of a batch as a zip archive that is made while it is sent.

Memory does not grow with the results: one job's are rendered at a time, and no database transaction stays
open in between. Only the archive's own directory grows, by about a kilobyte a file.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import RawIOBase
from typing import IO, Any, Literal, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from api.finished_jobs import read_png, transcript_of
from api.http.paths import Paths
from api.result_names import ResultNames
from api.services import Services
from shared.clock import now
from shared.errors import JobHasNoResult, JobNotFinished, JobNotFound, TranscriptNotMade, WaveformNotMade
from shared.jobs import Job, JobStatus, jobs_of_batch
from transcript.characters import one_line
from transcript.formats import Format, dump, render
from transcript.transcript import Numerals

JOBS_AT_ONCE = 50
BLOCK_BYTES = 64 * 1024
ERRORS = "errors"
NO_RESULT = (JobNotFound, JobNotFinished, JobHasNoResult, TranscriptNotMade, WaveformNotMade)

_READABLE_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an archive of results holds for each job.

    Attributes:
        formats: of the transcripts.
        numerals: how numbers are written in them.
        waveform: whether the pictures are included, as NAME.png.
        revision: whether texts are as people have corrected them, or as the machine wrote them.
    """

    formats: Sequence[Format]
    numerals: Numerals
    waveform: bool
    revision: Literal["latest", "machine"]


def results_zip(services: Services, paths: Paths, batch_id: uuid.UUID, wanted: Wanted) -> Iterator[bytes]:
    """Yield the archive in blocks. Each step blocks for as long as a job's results take.

    The caller has checked whose batch it is: all of its jobs belong to the same tenant.

    Jobs without results are listed in the file `errors.tsv`, which is absent if there are none.
    """
    sink = _Sink()
    names = ResultNames(reserved=(ERRORS,))
    errors: list[str] = []
    with ZipFile(cast("IO[bytes]", sink), "w") as archive:
        for job in _jobs(services, batch_id):
            name = names.name_of(job.folder, job.file_name)
            for file in _files_of(services, paths, job, wanted, errors):
                _add(archive, name + file.extension, file.content, job.finished_at or job.created_at)
                if sink.size >= BLOCK_BYTES:
                    yield sink.take()
        if errors:
            table = "".join(f"{line}\n" for line in ("path\tjob\tstatus\tcode\tmessage", *errors))
            _add(archive, f"{ERRORS}.tsv", table.encode(), now())
    yield sink.take()


@dataclass(frozen=True, slots=True)
class _File:
    extension: str
    content: bytes


class _Sink(RawIOBase):
    """The file that the archive is written to: not seekable, and emptied again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()

    @property
    def size(self) -> int:
        """How many bytes are to be taken."""
        return len(self._buffer)

    def write(self, data: Any) -> int:
        """Append data."""
        self._buffer += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        block = bytes(self._buffer)
        self._buffer.clear()
        return block


def _jobs(services: Services, batch_id: uuid.UUID) -> Iterator[Job]:
    last = None
    while True:
        with services.database.read() as session:
            jobs = jobs_of_batch(session, batch_id, limit=JOBS_AT_ONCE, after=last)
        yield from jobs
        if len(jobs) < JOBS_AT_ONCE:
            return
        last = jobs[-1]


def _files_of(
    services: Services, paths: Paths, job: Job, wanted: Wanted, errors: list[str]
) -> Iterator[_File]:
    """Yield the files for a job. If it has none, append a line to ``errors``."""
    if job.status is not JobStatus.SUCCEEDED:
        errors.append(_line(job, job.error_code or "", job.error_message or ""))
        return
    try:
        if wanted.formats:
            found = transcript_of(services, job, wanted.numerals, wanted.revision)
            for chosen in wanted.formats:
                text = dump(found.document()) if chosen is Format.JSON else render(found.transcript, chosen)
                yield _File(f".{chosen}", text.encode())
        if wanted.waveform:
            yield _File(".png", read_png(services, paths, job.id, tenant=None))
    except NO_RESULT as error:  # not made, or erased meanwhile
        errors.append(_line(job, error.code, error.message))


def _line(job: Job, code: str, message: str) -> str:
    path = f"{job.folder}/{job.file_name}" if job.folder else job.file_name
    return "\t".join(map(one_line, (path, str(job.id), job.status.value, code, message)))


def _add(archive: ZipFile, name: str, content: bytes, moment: datetime) -> None:
    info = ZipInfo(name, moment.timetuple()[:6])
    info.external_attr = _READABLE_FILE
    # A picture is compressed already.
    info.compress_type = ZIP_STORED if name.endswith(".png") else ZIP_DEFLATED
    archive.writestr(info, content)
