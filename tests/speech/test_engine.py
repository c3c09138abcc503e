import math
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech.audio import open_audio
from speech.engine import Engine, Transcription, take_batch
from speech.errors import AudioTooLong, AudioUnreadable, ModelNotFound
from speech.segment import Chunk
from tests.speech.sounds import FRAME, RATE, Samples, silence, speak, wav_bytes, write_wav
from transcript.words import Segment


@pytest.fixture(scope="module")
def engine(model_path: Path) -> Engine:
    engine = Engine.load(model_path)
    engine.warm()
    return engine


def check_order(segments: list[Segment], seconds: float) -> None:
    words = [word for segment in segments for word in segment.words]
    for segment in segments:
        assert segment.text == " ".join(word.text for word in segment.words)
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
        assert segment.confidence is not None
        assert 0.0 <= segment.confidence <= 1.0
    assert all(0.0 <= word.start <= word.end <= seconds + 1e-6 for word in words)
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(words))


def test_hears_what_is_said_and_when(engine: Engine, tmp_path: Path) -> None:
    first, second = speak("नमस्ते"), speak("मन")
    signal = np.concatenate([silence(1.3), first, silence(0.5), speak(" "), second, silence(1)])
    transcription = engine.transcribe(write_wav(tmp_path / "a.wav", signal))
    (segment,) = transcription
    assert segment.text == "नमस्ते मन"
    assert segment.confidence == pytest.approx(1.0, abs=1e-3)
    starts = [1.3, 1.3 + len(first) / RATE + 0.5 + 0.16]
    assert [word.start for word in segment.words] == pytest.approx(starts, abs=FRAME / RATE)
    assert segment.words[1].end == pytest.approx(starts[1] + 0.24, abs=FRAME / RATE)
    assert transcription.seconds == len(signal) / RATE
    assert transcription.progress == 1.0
    assert transcription.peaks.samples == len(signal)
    assert transcription.peaks.highs.max() == pytest.approx(0.7, abs=1e-3)
    assert set(transcription.timings) == {"decode", "infer", "text"}
    assert all(seconds > 0 for seconds in transcription.timings.values())


@pytest.mark.parametrize("seconds", [0.0, 1 / RATE, 0.02, 3.0, 60.0])
def test_nothing_said(engine: Engine, tmp_path: Path, seconds: float) -> None:
    transcription = engine.transcribe(write_wav(tmp_path / "a.wav", silence(seconds)))
    assert list(transcription) == []
    assert transcription.progress == 1.0
    assert transcription.seconds == pytest.approx(seconds)


def long_signal(sentences: int) -> Samples:
    return np.concatenate([part for _ in range(sentences) for part in (speak(" नमस्ते मन"), silence(2.56))])


def test_a_long_recording_in_order_with_progress(engine: Engine, tmp_path: Path) -> None:
    signal = long_signal(60)
    transcription = engine.transcribe(write_wav(tmp_path / "a.wav", signal))
    assert transcription.progress == 0.0
    segments, progress = [], []
    for segment in transcription:
        segments.append(segment)
        progress.append(transcription.progress)
        heard = segment.end / (len(signal) / RATE)
        assert transcription.progress == pytest.approx(heard, abs=0.05)
    check_order(segments, len(signal) / RATE)
    assert " ".join(segment.text for segment in segments) == " ".join(["नमस्ते मन"] * 60)
    assert progress == sorted(progress)
    period = len(signal) / RATE / 60
    starts = [segment.words[i].start for segment in segments for i in range(0, len(segment.words), 2)]
    assert starts == pytest.approx([i * period + 0.16 for i in range(60)], abs=FRAME / RATE)


def test_speech_without_a_pause_is_whole(engine: Engine, tmp_path: Path) -> None:
    signal = np.concatenate([speak(" नमस्ते") for _ in range(30)])
    segments = list(engine.transcribe(write_wav(tmp_path / "a.wav", signal)))
    check_order(segments, len(signal) / RATE)
    assert len(segments) > 3
    heard = "".join(segment.text for segment in segments).replace(" ", "")
    assert heard == "नमस्ते" * 30


def test_any_rate_and_channel_count_gives_the_same_words(engine: Engine, tmp_path: Path) -> None:
    signal = long_signal(2)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([signal, signal], axis=1), RATE, subtype="PCM_24")
    assert [s.text for s in engine.transcribe(path)] == [
        s.text for s in engine.transcribe(write_wav(tmp_path / "b.wav", signal))
    ]


def test_errors_before_and_during(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(AudioUnreadable):
        engine.transcribe(tmp_path / "absent")
    path = write_wav(tmp_path / "a.wav", long_signal(2))
    with pytest.raises(AudioTooLong):
        engine.transcribe(path, max_seconds=1.0)
    broken = np.concatenate([long_signal(10), np.array([np.nan], np.float32)])
    path.write_bytes(wav_bytes(broken.astype("<f4").tobytes(), bits=32, encoding=3))
    with engine.transcribe(path) as transcription, pytest.raises(AudioUnreadable, match="not numbers"):
        list(transcription)
    assert transcription.progress < 1.0


def test_closed_early(engine: Engine, tmp_path: Path) -> None:
    with engine.transcribe(write_wav(tmp_path / "a.wav", long_signal(30))) as transcription:
        next(iter(transcription))
    transcription.close()
    assert 0.0 < transcription.seconds < 100.0
    assert list(engine.transcribe(tmp_path / "a.wav"))


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        Engine.load(tmp_path / "absent")


def test_memory_does_not_grow_with_the_length(engine: Engine, tmp_path: Path) -> None:
    def peak(sentences: int) -> int:
        path = write_wav(tmp_path / "a.wav", long_signal(sentences))
        tracemalloc.start()
        assert sum(len(segment.words) for segment in engine.transcribe(path)) == 2 * sentences
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(200) < peak(40) + 1_000_000


def chunks(*seconds: float) -> list[Chunk]:
    return [Chunk(0, silence(length)) for length in seconds]


@pytest.mark.parametrize(
    ("lengths", "count"),
    [
        ([4.0], 1),
        ([50.0], 1),
        ([4.0, 4.0, 3.9, 4.1], 4),
        ([4.0, 2.0, 4.0], 1),
        ([16.0, 16.0, 16.0], 2),
        ([15.0, 14.0, 1.0], 2),
    ],
)
def test_batches_waste_little(lengths: list[float], count: int) -> None:
    assert len(take_batch(chunks(*lengths), 32 * RATE, 0.15)) == count


def test_installed_model_on_real_clips(installed_model: Path, clips: list[Path]) -> None:
    engine = Engine.load(installed_model, threads=2)
    waveforms, alone = [], []
    for clip in clips[:4]:
        transcription = engine.transcribe(clip)
        segments = list(transcription)
        check_order(segments, transcription.seconds)
        words = [word for segment in segments for word in segment.words]
        assert words
        assert all("\u0900" <= character <= "\u097f" for word in words for character in word.text)
        with open_audio(clip, engine.folder.sample_rate) as audio:
            waveforms.append(np.concatenate(list(audio), axis=1)[0])
        alone += engine.recogniser.log_probs(waveforms[-1:])
    for one, other in zip(engine.recogniser.log_probs(waveforms), alone, strict=True):
        assert abs(len(one) - len(other)) == 0
        np.testing.assert_allclose(np.exp(one), np.exp(other), atol=2e-3)
        assert engine.decoder.words(one) or not engine.decoder.words(other)
    assert math.isfinite(float(alone[0].sum()))


def test_skipped_chunks_are_not_recognised_and_the_rest_is_the_same(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every number of chunks that was ever reported, with pauses and words of many lengths."""
    monkeypatch.setattr(Transcription, "BATCH_SECONDS", 6.0)
    dice = np.random.default_rng(5)
    texts = ["न", "नमस्ते", "मन तन नमस्ते मन", "नम मन तन " * 6]
    parts = [
        part
        for _ in range(40)
        for part in (speak(texts[dice.integers(len(texts))]), silence(dice.uniform(0.4, 2.0)))
    ]
    path = write_wav(tmp_path / "a.wav", np.concatenate(parts))
    reported: dict[int, int] = {}  # segments handed out by chunks done
    whole: list[Segment] = []
    transcription = engine.transcribe(
        path, on_progress=lambda now: reported.setdefault(now.chunks_done, len(whole))
    )
    for segment in transcription:
        whole.append(segment)  # noqa: PERF402 - looked at meanwhile
    assert len(reported) > 10
    for chunks, segments in reported.items():
        progress: list[float] = []
        with engine.transcribe(path, None, lambda now: progress.append(now.progress), chunks) as rest:  # noqa: B023
            assert list(rest) == whole[segments:]
        assert rest.chunks_done == transcription.chunks_done
        assert rest.progress == 1.0
