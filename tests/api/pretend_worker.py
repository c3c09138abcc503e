"""A fake worker that takes jobs through their life cycle without audio."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from redis import Redis

from shared import presence
from shared.announcements import announce
from shared.database import Database
from shared.errors import ServiceError
from shared.jobs.attempts import claim, renew
from shared.jobs.lifecycle import Event, transition
from shared.jobs.tables import Job, SegmentRow, SpectrogramRow, WaveformRow

OWNER = "pretend"
LEASE = timedelta(seconds=60)
PNG = b"\x89PNG\r\n\x1a\n of a waveform"
PEAKS = {
    "version": 2,
    "channels": 1,
    "sample_rate": 16000,
    "samples_per_pixel": 256,
    "bits": 8,
    "length": 1,
    "data": [-3, 4],
}
WORDS = [
    {"text": "नमस्ते", "start": 0.25, "end": 0.5, "confidence": 0.5},
    {"text": "दुनिया", "start": 0.75, "end": 1.0, "confidence": 0.75},
]
SEGMENTS = [
    {
        "start": 0.25,
        "end": 1.0,
        "channel": None,
        "text": "नमस्ते दुनिया",
        "confidence": 0.625,
        "avg_logprob": -0.25,
        "words": WORDS,
    },
    {
        "start": 2.0,
        "end": 2.5,
        "channel": None,
        "text": "हाँ",
        "confidence": None,
        "avg_logprob": None,
        "words": [],
    },
]
NUMBERS = [
    {
        "start": 0.25,
        "end": 1.0,
        "channel": 1,
        "text": "कुल पच्चीस",
        "confidence": 0.5,
        "words": [
            {"text": "कुल", "start": 0.25, "end": 0.5, "confidence": 0.5},
            {"text": "पच्चीस", "start": 0.5, "end": 1.0, "confidence": 0.5},
        ],
    }
]


class PretendWorker:
    """Claims jobs and ends them with made-up results."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = Redis.from_url(redis_url)

    def close(self) -> None:
        self._redis.close()

    def beat(self, models: Sequence[str] = ()) -> None:
        presence.beat(self._redis, OWNER, 10, models=models)

    def leave(self) -> None:
        presence.leave(self._redis, OWNER)

    def claim(self) -> Job:
        with self._database.write() as session:
            job = claim(session, OWNER, LEASE)
        assert job is not None, "no job is queued"
        announce(self._redis, job.id)
        return job

    def report(self, job: Job, progress: float) -> bool:
        with self._database.write() as session:
            go_on = renew(session, job.id, OWNER, LEASE, progress, 0)
        announce(self._redis, job.id)
        return go_on

    def save(self, job: Job, segments: list[dict], first: int = 0) -> None:
        """Save segments of a running job."""
        with self._database.write() as session:
            session.add_all(_rows(job, segments, first))
        announce(self._redis, job.id)

    def succeed(self, segments: list[dict] | None = None, *, announced: bool = True) -> Job:
        return self.finish(self.claim(), segments, announced=announced)

    def finish_any(self) -> bool:
        """Claim a job and let it succeed, if one is queued. Returns whether one was."""
        with self._database.write() as session:
            job = claim(session, OWNER, LEASE)
        if job is not None:
            with suppress(ServiceError):  # erased meanwhile
                self.finish(job)
        return job is not None

    def finish(self, job: Job, segments: list[dict] | None = None, *, announced: bool = True) -> Job:
        """Let a claimed job succeed."""
        made = (SEGMENTS if segments is None else segments) if job.transcript else []
        with self._database.write() as session:
            session.add_all(_rows(job, made))
            if job.waveform:
                session.add(WaveformRow(job_id=job.id, png=PNG, peaks=PEAKS))
            if job.options.get("spectrogram"):
                session.add(SpectrogramRow(job_id=job.id, png=PNG))
            job = transition(
                session,
                job,
                Event.SUCCEEDED,
                owner=OWNER,
                progress=1.0,
                audio_seconds=4.0,
                audio_sample_rate=16000,
                audio_channels=1,
                speech_seconds=1.5 if job.transcript else None,
                stage_seconds={"audio": 0.25, "infer": 0.5, "text": 0.125, "waveform": 0.25},
            )
        if announced:
            announce(self._redis, job.id)
        return job

    def fail(self, code: str = "audio_unreadable", message: str = "The file holds no audio.") -> Job:
        job = self.claim()
        with self._database.write() as session:
            job = transition(
                session, job, Event.FAILED, owner=OWNER, code=code, error_code=code, error_message=message
            )
        announce(self._redis, job.id)
        return job

    def cancel(self, job: Job) -> Job:
        with self._database.write() as session:
            job = transition(session, job, Event.CANCELLED, owner=OWNER)
        announce(self._redis, job.id)
        return job


def _rows(job: Job, segments: list[dict], first: int = 0) -> list[SegmentRow]:
    return [
        SegmentRow(
            job_id=job.id,
            position=position,
            start_seconds=segment["start"],
            end_seconds=segment["end"],
            channel=segment["channel"],
            text=segment["text"],
            confidence=segment["confidence"],
            avg_logprob=segment.get("avg_logprob"),
            words=segment["words"],
        )
        for position, segment in enumerate(segments, first)
    ]
