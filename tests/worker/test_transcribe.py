"""A worker process at work: real database, real Redis, real files; only Celery is not there."""

import shutil
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import update

import worker.transcribe
from shared.database import Database
from shared.jobs.attempts import claim
from shared.jobs.queries import (
    get_job,
    read_segments,
    read_spectrogram_png,
    read_waveform_png,
    waveform_peaks,
)
from shared.jobs.tables import Job, JobStatus
from speech import Engine, Progress
from tests.speech.sounds import RATE, silence, speak, wav_bytes
from tests.worker.jobs import after, history, long_recording, make_due, recording, stored
from worker.lease import Lease, Renewal
from worker.process import WorkerProcess
from worker.transcribe import WornOut, answer


def test_a_recording_becomes_words_and_a_picture(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    job = submit_file(recording(silence(1), speak("नम मन "), silence(2), speak("तन")))
    assert answer(process)
    done = after(process, job)
    assert (done.status, done.progress, done.attempt) == (JobStatus.SUCCEEDED, 1.0, 1)
    assert done.audio_seconds == pytest.approx(1 + 6 * 0.16 + 2 + 2 * 0.16)
    assert (done.audio_sample_rate, done.audio_channels) == (RATE, 1)
    assert done.stage_seconds is not None
    assert set(done.stage_seconds) == {"decode", "infer", "text", "waveform"}
    with process.database.read() as session:
        segments = read_segments(process.database, job.id)
        png = read_waveform_png(process.database, job.id)
        peaks = waveform_peaks(session, job.id)
    words = [word for segment in segments for word in segment.words]
    assert [word["text"] for word in words] == ["नम", "मन", "तन"]
    assert words[0]["start"] == pytest.approx(1.0, abs=0.05)
    assert words[2]["start"] == pytest.approx(1 + 6 * 0.16 + 2, abs=0.05)
    assert png is not None
    assert png.startswith(b"\x89PNG")
    assert peaks is not None
    assert peaks["length"] > 0
    assert history(process, job) == [("submitted", None), ("claimed", None), ("succeeded", None)]
    assert stored(process, job)


def test_with_nothing_to_do_it_does_nothing(process: WorkerProcess) -> None:
    assert not answer(process)


@pytest.mark.parametrize("content", [recording(silence(2)), recording(silence(0)), recording(silence(0.001))])
def test_silence_succeeds_without_words(
    process: WorkerProcess, submit_file: Callable[..., Job], content: bytes
) -> None:
    job = submit_file(content)
    answer(process)
    assert after(process, job).status is JobStatus.SUCCEEDED
    assert not read_segments(process.database, job.id)
    assert read_waveform_png(process.database, job.id)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "audio_unreadable"),
        (b"This is no recording.\n" * 99, "audio_unreadable"),
        (recording(speak("न"))[:30], "audio_unreadable"),
        (wav_bytes(b"\0\0" * 50, rate=1), "audio_unsupported"),
        (wav_bytes(b"\0\0" * 50, rate=10_000_000), "audio_unsupported"),
        (recording(silence(121)), "audio_too_long"),
        (wav_bytes(np.array([np.inf, np.nan], "<f4").tobytes(), bits=32, encoding=3), "audio_unreadable"),
    ],
    ids=["zero bytes", "text", "cut header", "1 Hz", "10 MHz", "too long", "NaN"],
)
@pytest.mark.parametrize("transcript", [True, False], ids=["words", "picture only"])
def test_a_bad_recording_fails_with_its_code_and_leaves_no_file(
    process: WorkerProcess, submit_file: Callable[..., Job], content: bytes, code: str, transcript: bool
) -> None:
    job = submit_file(content, transcript=transcript)
    answer(process)
    done = after(process, job)
    assert (done.status, done.error_code, done.attempt) == (JobStatus.FAILED, code, 1)
    assert done.error_message
    assert history(process, job)[-1] == ("failed", code)
    assert not stored(process, job)


TRUNCATED = recording(speak("नम मन "), silence(1))[:-9_000]


@pytest.mark.parametrize("transcript", [True, False], ids=["words", "picture only"])
def test_an_imperfect_recording_succeeds_with_warnings(
    process: WorkerProcess, submit_file: Callable[..., Job], transcript: bool
) -> None:
    job = submit_file(TRUNCATED, transcript=transcript)
    answer(process)
    done = after(process, job)
    assert done.status is JobStatus.SUCCEEDED
    assert done.warnings is not None
    assert [(warning["code"], warning["spans"]) for warning in done.warnings] == [("audio_truncated", [])]
    assert "0.3 s more" in done.warnings[0]["message"]


@pytest.mark.parametrize("transcript", [True, False], ids=["words", "picture only"])
def test_a_strict_job_fails_with_warnings_and_leaves_no_file(
    process: WorkerProcess, submit_file: Callable[..., Job], transcript: bool
) -> None:
    job = submit_file(TRUNCATED, transcript=transcript, options={"strict": True})
    answer(process)
    done = after(process, job)
    assert (done.status, done.error_code) == (JobStatus.FAILED, "audio_imperfect")
    assert done.error_message is not None
    assert done.error_message.endswith("submit it without `strict` to have what can be heard.")
    assert [warning["code"] for warning in done.warnings or ()] == ["audio_truncated"]
    assert not stored(process, job)


def test_a_strict_job_succeeds_without_warnings(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    job = submit_file(recording(speak("नम")), options={"strict": True})
    answer(process)
    done = after(process, job)
    assert (done.status, done.warnings) == (JobStatus.SUCCEEDED, [])


def test_only_the_picture(process: WorkerProcess, submit_file: Callable[..., Job]) -> None:
    job = submit_file(recording(speak("नम")), transcript=False)
    answer(process)
    assert after(process, job).status is JobStatus.SUCCEEDED
    assert not read_segments(process.database, job.id)
    assert read_waveform_png(process.database, job.id)


def test_only_the_words(process: WorkerProcess, submit_file: Callable[..., Job]) -> None:
    job = submit_file(recording(speak("नम")), waveform=False)
    answer(process)
    assert [segment.text for segment in read_segments(process.database, job.id)] == ["नम"]
    assert read_waveform_png(process.database, job.id) is None


@pytest.mark.parametrize("columns", [{}, {"transcript": False}, {"waveform": False}], ids=str)
def test_a_spectrogram_on_request(
    process: WorkerProcess, submit_file: Callable[..., Job], columns: dict[str, bool]
) -> None:
    job = submit_file(recording(speak("नम")), options={"spectrogram": True}, **columns)
    answer(process)
    done = after(process, job)
    assert done.status is JobStatus.SUCCEEDED
    png = read_spectrogram_png(process.database, job.id)
    assert png is not None
    assert png.startswith(b"\x89PNG")
    assert "spectrogram" in done.stage_seconds
    plain = submit_file(recording(speak("नम")), **columns)
    answer(process)
    assert read_spectrogram_png(process.database, plain.id) is None


def test_a_model_that_is_gone_fails_the_job_only(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    gone, fine = submit_file(recording(speak("न")), model="gone"), submit_file(recording(speak("न")))
    answer(process)
    answer(process)
    assert after(process, gone).error_code == "model_not_found"
    assert after(process, fine).status is JobStatus.SUCCEEDED


def test_a_file_that_is_gone_fails_with_a_code(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    job = submit_file(recording(speak("न")))
    shutil.rmtree(process.settings.files_dir)
    answer(process)
    assert after(process, job).error_code == "file_missing"


def test_a_fault_of_the_machine_is_tried_again_and_keeps_the_file(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **choices: object) -> None:
        raise RuntimeError

    job = submit_file(recording(speak("न")))
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "transcribe", broken)
        answer(process)
    assert after(process, job).status is JobStatus.QUEUED
    assert history(process, job)[-1] == ("requeued", "worker_error")
    assert stored(process, job)
    make_due(process, job)
    answer(process)
    done = after(process, job)
    assert (done.status, done.attempt) == (JobStatus.SUCCEEDED, 2)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Failed to allocate memory for requested buffer of size 9"),
        OSError(12, ""),
    ],
    ids=["Python", "ONNX Runtime", "kernel"],
)
def test_without_memory_the_job_goes_back_and_the_process_shall_end(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def starve(*_: object, **choices: object) -> None:
        raise error

    job = submit_file(recording(speak("न")), max_attempts=1)
    monkeypatch.setattr(Engine, "transcribe", starve)
    with pytest.raises(WornOut):
        answer(process)
    done = after(process, job)
    assert (done.status, done.error_code) == (JobStatus.FAILED, "attempts_exhausted")
    assert done.error_message is not None
    assert "more memory than a worker may use of 4096 MiB" in done.error_message
    assert stored(process, job)


def test_a_running_job_is_cancelled_between_segments(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.transcribe, "SAVE_EVERY_SECONDS", 0.0)
    job = submit_file(long_recording())
    keep = Lease.keep

    def cancel_meanwhile(lease: Lease, progress: Progress) -> Renewal:
        with process.database.write() as session:
            session.execute(update(Job).where(Job.id == job.id).values(cancel_requested=True))
        return keep(lease, progress)

    monkeypatch.setattr(Lease, "keep", cancel_meanwhile)
    answer(process)
    assert after(process, job).status is JobStatus.CANCELLED
    assert not read_segments(process.database, job.id)


def test_a_worker_that_lost_its_lease_leaves_the_job_alone(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.transcribe, "SAVE_EVERY_SECONDS", 0.0)
    job = submit_file(long_recording())
    keep = Lease.keep

    def lose(lease: Lease, progress: Progress) -> Renewal:
        with process.database.write() as session:
            session.execute(update(Job).where(Job.id == job.id).values(lease_owner="another"))
        return keep(lease, progress)

    monkeypatch.setattr(Lease, "keep", lose)
    answer(process)
    now_held = after(process, job)
    assert (now_held.status, now_held.lease_owner) == (JobStatus.RUNNING, "another")
    assert stored(process, job)


def test_partial_results_and_progress_are_there_while_it_runs(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.transcribe, "SAVE_EVERY_SECONDS", 0.0)
    job = submit_file(long_recording())
    seen: list[tuple[float, int]] = []
    keep = Lease.keep

    def look(lease: Lease, progress: Progress) -> Renewal:
        kept = keep(lease, progress)
        with process.database.read() as session:
            seen.append((get_job(session, job.id).progress, len(read_segments(process.database, job.id))))
        return kept

    monkeypatch.setattr(Lease, "keep", look)
    answer(process)
    assert seen == sorted(seen), seen
    assert any(0 < progress < 1 and segments for progress, segments in seen), seen
    segments = read_segments(process.database, job.id)
    assert [segment.position for segment in segments] == list(range(len(segments)))
    assert " ".join(segment.text for segment in segments) == " ".join(["नम मन तन"] * 28)


def test_redis_may_be_away_during_the_work(
    process: WorkerProcess, submit_file: Callable[..., Job], database: Database
) -> None:
    process.redis.connection_pool.connection_kwargs["path"] = "/nowhere/redis.sock"
    process.redis.connection_pool.disconnect()
    job = submit_file(recording(speak("न")))
    answer(process)
    assert after(process, job).status is JobStatus.SUCCEEDED


def test_the_lease_carries_the_name_of_the_process(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    submit_file(recording(speak("न")))
    with process.database.write() as session:
        job = claim(session, process.name, timedelta(seconds=5))
    assert job is not None
    assert job.lease_owner == process.name
