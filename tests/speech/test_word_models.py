"""Models that give words go the same way as CTC models: to the same words, recorded, resumed and live."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from speech import Engine, Progress
from speech.recognisers import FAMILIES
from speech.utterance_stream import UtteranceStream
from tests.speech import word_family
from tests.speech.sounds import RATE, silence, speak, write_wav
from transcript.words import Segment, Word


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Engine]]:
    """The toy model as a CTC model, and as one that gives words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, word_family.NAME, "tests.speech.word_family:FAMILY")
        ctc, words = word_family.write_models(tmp_path_factory.mktemp("models"))
        yield Engine.load(ctc), Engine.load(words)


def continuous(count: int) -> np.ndarray:
    dice = np.random.default_rng(2)
    return speak(" ".join(["नमस्ते मन", "सन तन", "मत नम"][dice.integers(3)] for _ in range(count)) + " ")


def words_of(segments: list[Segment]) -> list[Word]:
    return [word for segment in segments for word in segment.words]


def test_speech_without_pauses_has_each_word_once(engines: tuple[Engine, Engine], tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.concatenate([continuous(40), silence(2.0), speak("मन ")]))
    expected, found = (words_of(list(engine.transcribe(path).segments())) for engine in engines)
    assert [word.text for word in found] == [word.text for word in expected]
    assert len(found) > 80
    for one, other in zip(found, expected, strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.09)
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_a_chunk_is_one_run_from_its_first_to_its_last_voiced_sample(
    engines: tuple[Engine, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, engine = engines

    class Detector:
        def without_voice(self, waveforms: list[np.ndarray]) -> list[list[tuple[int, int]]]:
            return [
                [(0, RATE // 10), (RATE, 2 * RATE), (len(one) - RATE // 5, len(one))] for one in waveforms
            ]

    monkeypatch.setattr(engine, "detector", Detector())
    engine.recogniser.runs.clear()  # type: ignore[attr-defined]
    path = write_wav(tmp_path / "a.wav", speak("नम " * 8))
    (segment,) = engine.transcribe(path).segments()
    (run,) = engine.recogniser.runs  # type: ignore[attr-defined]
    assert run == pytest.approx(len(speak("नम " * 8)) - 0.3 * RATE, abs=0.1 * RATE)
    plain = [word.start for word in words_of(list(engines[0].transcribe(path).segments()))]
    assert [word.start for word in segment.words][1:] == pytest.approx(
        plain[1 : len(segment.words)], abs=0.05
    )


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_resumed_the_words_are_those_of_one_attempt(
    engines: tuple[Engine, Engine], tmp_path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, engine = engines
    monkeypatch.setattr(UtteranceStream, "WORKING_BYTES", 1)
    path = write_wav(tmp_path / "a.wav", np.concatenate([continuous(25), silence(seconds), continuous(12)]))
    events = list(engine.transcribe(path))
    whole = [event for event in events if isinstance(event, Segment)]
    done = sorted({event.chunks_done for event in events if isinstance(event, Progress)})
    assert len(done) > 3
    for skip in done:
        rest = list(engine.transcribe(path, skip_chunks=skip).segments())
        assert rest == whole[len(whole) - len(rest) :]
        known = sum(isinstance(event, Segment) for event in _before(events, skip))
        assert known + len(rest) == len(whole)


def _before(events: list[object], skip: int) -> Iterator[object]:
    """The events that an attempt had saved when it had done so many chunks."""
    for event in events:
        if isinstance(event, Progress) and event.chunks_done >= skip:
            return
        yield event


def test_live_the_segments_are_those_of_the_recording(engines: tuple[Engine, Engine], tmp_path: Path) -> None:
    _, engine = engines
    audio = np.concatenate([continuous(14), silence(2.0), speak("मन सन "), silence(1.0)])
    path = write_wav(tmp_path / "a.wav", audio)
    recorded = list(engine.transcribe(path).segments())
    live = engine.transcribe_live(RATE)
    segments: list[Segment] = []
    shown: list[list[str]] = []
    pcm = (np.round(audio * 32768) / 32768).astype(np.float32)
    for block in np.array_split(pcm, 60):
        segments += live.push(block)
        preview = live.preview()
        assert preview is not None
        shown.append([word.text for word in preview.words])
    segments += live.finish()
    assert [segment.text for segment in segments] == [segment.text for segment in recorded]
    assert len(words_of(recorded)) > 20
    assert max(map(len, shown)) >= 4


def test_silence_gives_no_words(engines: tuple[Engine, Engine], tmp_path: Path) -> None:
    _, engine = engines
    path = write_wav(tmp_path / "a.wav", silence(3.0))
    assert list(engine.transcribe(path).segments()) == []
    assert list(engine.transcribe(write_wav(tmp_path / "b.wav", silence(0.0))).segments()) == []
