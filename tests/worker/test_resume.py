"""An attempt after one that broke off goes on from its last finished segment."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

import worker.transcribe
from modelkit.folder_swap import replace_folder
from shared.jobs.tables import Job, JobStatus
from speech import Progress
from speech.recognisers import LogProbs, Samples
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from speech.utterance_stream import UtteranceStream
from tests.speech.sounds import silence, speak, write_model
from tests.worker.jobs import after, history, long_recording, make_due, recording, transcript
from worker.lease import Lease, Renewal
from worker.process import WorkerProcess
from worker.sweeper import Sweeper
from worker.transcribe import answer

CLIP = recording(speak("नम"), silence(0.5))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, process: WorkerProcess) -> Iterator[list[int]]:
    """Chunks in each run of the graph: runs of about three chunks, saved after each."""
    monkeypatch.setattr(worker.transcribe, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(UtteranceStream, "WORKING_BYTES", 3 * 2**20)
    sizes: list[int] = []
    log_probs = OnnxCtcRecogniser.log_probs

    def counted(recogniser: OnnxCtcRecogniser, waveforms: Sequence[Samples]) -> list[LogProbs]:
        sizes.append(len(waveforms))
        return log_probs(recogniser, waveforms)

    monkeypatch.setattr(OnnxCtcRecogniser, "log_probs", counted)
    return sizes


def break_off(patch: pytest.MonkeyPatch, at: float, error: BaseException, when_kept: bool = True) -> None:
    """End an attempt where it has done ``at`` of its recording: right after a renewal, or instead of it."""
    keep = Lease.keep

    def broken(lease: Lease, progress: Progress) -> Renewal:
        if progress.part > at and not when_kept:
            raise error
        kept = keep(lease, progress)
        if progress.part > at:
            raise error
        return kept

    patch.setattr(Lease, "keep", broken)


def test_only_the_rest_is_recognised_and_the_words_are_those_of_a_quiet_run(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    runs: list[int],
) -> None:
    drawn = {"options": {"spectrogram": True}}
    quiet, job = submit_file(long_recording(), **drawn), submit_file(long_recording(), **drawn)
    answer(process)
    whole, expected = list(runs), transcript(process, quiet)
    assert len(whole) > 5
    assert " ".join(segment[3] for segment in expected) == " ".join(["नम मन तन"] * 28)

    runs.clear()
    with monkeypatch.context() as patch:
        break_off(patch, 0.4, RuntimeError())
        answer(process)
    broken = after(process, job)
    assert (broken.status, broken.chunks_done) == (JobStatus.QUEUED, sum(runs))
    assert 0 < broken.chunks_done < sum(whole)
    assert 0.4 < broken.progress < 1
    assert transcript(process, job) == expected[: len(transcript(process, job))] != []
    first = list(runs)

    make_due(process, job)
    answer(process)
    assert runs == whole  # of both attempts together: no chunk twice, and in the same runs
    assert runs[: len(first)] == first
    assert after(process, job).status is JobStatus.SUCCEEDED
    assert transcript(process, job) == expected


def test_what_was_not_saved_is_done_again_and_not_doubled(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    runs: list[int],
) -> None:
    quiet, job = submit_file(long_recording()), submit_file(long_recording())
    answer(process)
    for at in (0.2, 0.6):
        with monkeypatch.context() as patch:
            break_off(patch, at, RuntimeError(), when_kept=False)
            answer(process)
        assert transcript(process, job) == transcript(process, quiet)[: len(transcript(process, job))]
        make_due(process, job)
        if at < 0.5:
            assert after(process, job).status is JobStatus.QUEUED
    assert history(process, job)[-1] == ("failed", "attempts_exhausted")


def new_version(process: WorkerProcess) -> None:
    """Put another version of the toy model in place, which has the same words."""
    staged = process.settings.models_dir / ".staged"
    replace_folder(write_model(staged, description="Newer."), process.settings.models_dir / "loudness")


def test_an_attempt_with_another_version_of_the_model_begins_again(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    runs: list[int],
) -> None:
    quiet, job = submit_file(long_recording()), submit_file(long_recording())
    answer(process)
    whole = list(runs)
    with monkeypatch.context() as patch:
        break_off(patch, 0.4, RuntimeError())
        answer(process)
    broken = after(process, job)
    assert broken.chunks_done > 0
    assert broken.model_version == after(process, quiet).model_version

    new_version(process)
    make_due(process, job)
    process.engines.get("loudness")  # warm, so that only the job's own runs are counted
    runs.clear()
    answer(process)
    assert runs == whole
    ended = after(process, job)
    assert ended.status is JobStatus.SUCCEEDED
    assert ended.model_version == process.engines.get("loudness").folder.version != broken.model_version
    assert transcript(process, job) == transcript(process, quiet)
    assert [event for event, _ in history(process, job)][-3:] == ["claimed", "restarted", "succeeded"]


def test_a_job_that_is_running_keeps_its_version(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    runs: list[int],
) -> None:
    old = process.engines.get("loudness").folder.version
    first, second = submit_file(long_recording()), submit_file(long_recording())
    keep = Lease.keep

    def replacing(lease: Lease, progress: Progress) -> Renewal:
        if 0.3 < progress.part < 0.6 and after(process, first).status is JobStatus.RUNNING:
            new_version(process)
        return keep(lease, progress)

    monkeypatch.setattr(Lease, "keep", replacing)
    answer(process)
    answer(process)
    assert transcript(process, first) == transcript(process, second)
    assert after(process, first).model_version == old
    assert after(process, second).model_version != old
    assert [after(process, job).attempt for job in (first, second)] == [1, 1]


def test_leases_are_renewed_while_a_model_is_loaded(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = replace(process, settings=process.settings.model_copy(update={"lease_seconds": 0.4}))
    new_version(process)
    jobs = [submit_file(CLIP), submit_file(CLIP)]
    warm = OnnxCtcRecogniser.warm

    def slow(recogniser: OnnxCtcRecogniser) -> None:
        time.sleep(1.0)
        expired = Sweeper(process.database, process.redis, process.queue).take_back_expired()
        assert expired == 0
        warm(recogniser)

    monkeypatch.setattr(OnnxCtcRecogniser, "warm", slow)
    while answer(hasty):
        pass
    assert [(after(process, job).status, after(process, job).attempt) for job in jobs] == [
        (JobStatus.SUCCEEDED, 1)
    ] * 2


def test_an_attempt_without_saved_chunks_starts_afresh(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    runs: list[int],
) -> None:
    quiet, job = submit_file(long_recording()), submit_file(long_recording())
    answer(process)
    with monkeypatch.context() as patch:
        patch.setattr(worker.transcribe, "SAVE_EVERY_SECONDS", np.inf)
        break_off(patch, 0.4, RuntimeError())
        answer(process)
    assert (after(process, job).chunks_done, transcript(process, job)) == (0, [])
    make_due(process, job)
    answer(process)
    assert transcript(process, job) == transcript(process, quiet)
