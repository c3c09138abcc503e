import gc
import math
import tracemalloc
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from shrutlekh_contract.options import Channels, RecognitionOptions

from speech import AudioTooLong, AudioUnreadable, AudioUnsupported, Engine, ModelNotFound, Progress, Summary
from speech.audio import open_audio
from speech.recognisers import LogProbs
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from speech.segments import Span
from speech.utterance_stream import UtteranceStream
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
    (segment,) = transcription.segments()
    assert segment.text == "नमस्ते मन"
    assert segment.confidence == pytest.approx(1.0, abs=1e-3)
    starts = [1.3, 1.3 + len(first) / RATE + 0.5 + 0.16]
    assert [word.start for word in segment.words] == pytest.approx(starts, abs=FRAME / RATE)
    assert segment.words[1].end == pytest.approx(starts[1] + 0.24, abs=FRAME / RATE)
    summary = transcription.summary
    assert summary.seconds == len(signal) / RATE
    assert transcription.progress.part == 1.0
    assert summary.peaks.samples == len(signal)
    assert summary.peaks.highs.max() == pytest.approx(0.7, abs=1e-3)
    assert set(summary.stage_seconds) == {"decode", "infer", "text"}
    assert all(seconds > 0 for seconds in summary.stage_seconds.values())


@pytest.mark.parametrize("seconds", [0.0, 1 / RATE, 0.02, 3.0, 60.0])
def test_nothing_said(engine: Engine, tmp_path: Path, seconds: float) -> None:
    transcription = engine.transcribe(write_wav(tmp_path / "a.wav", silence(seconds)))
    assert list(transcription.segments()) == []
    assert transcription.progress.part == 1.0
    assert transcription.summary.seconds == pytest.approx(seconds)


def long_signal(sentences: int) -> Samples:
    return np.concatenate([part for _ in range(sentences) for part in (speak(" नमस्ते मन"), silence(2.56))])


def test_a_long_recording_in_order_with_progress(engine: Engine, tmp_path: Path) -> None:
    signal = long_signal(60)
    transcription = engine.transcribe(write_wav(tmp_path / "a.wav", signal))
    assert transcription.progress.part == 0.0
    segments, progress = [], []
    for segment in transcription.segments():
        segments.append(segment)
        progress.append(transcription.progress.part)
        heard = segment.end / (len(signal) / RATE)
        assert transcription.progress.part == pytest.approx(heard, abs=0.05)
    check_order(segments, len(signal) / RATE)
    assert " ".join(segment.text for segment in segments) == " ".join(["नमस्ते मन"] * 60)
    assert progress == sorted(progress)
    period = len(signal) / RATE / 60
    starts = [segment.words[i].start for segment in segments for i in range(0, len(segment.words), 2)]
    assert starts == pytest.approx([i * period + 0.16 for i in range(60)], abs=FRAME / RATE)


texts = st.lists(st.text("नमसत", min_size=1, max_size=6), min_size=30, max_size=60)


@settings(max_examples=6, deadline=None)
@given(texts, st.integers(0, 3 * FRAME))
def test_no_word_is_cut_or_doubled_where_nothing_is_silent(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, words: list[str], lead: int
) -> None:
    """The toy model's pauses of 80 ms are too short to cut in, so every cut overlaps."""
    signal = np.concatenate([silence(lead / RATE), speak(" ".join(words)), speak(" ")])
    path = write_wav(tmp_path_factory.mktemp("heard") / "a.wav", signal)
    transcription = engine.transcribe(path)
    segments = list(transcription.segments())
    check_order(segments, len(signal) / RATE)
    assert len(segments) > 1
    decoded = engine.recogniser.log_probs([signal[lead // FRAME * FRAME :]])
    assert [word.text for segment in segments for word in segment.words] == [
        word.text for word in engine.decoder.words(decoded[0])
    ]
    assert transcription.summary.speech_seconds <= len(signal) / RATE
    for chunks in range(1, transcription.progress.chunks_done, 2):
        rest = [w for s in engine.transcribe(path, skip_chunks=chunks).segments() for w in s.words]
        whole = [word for segment in segments for word in segment.words]
        assert rest == whole[len(whole) - len(rest) :]
        assert rest


def test_any_rate_and_channel_count_gives_the_same_words(engine: Engine, tmp_path: Path) -> None:
    signal = long_signal(2)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([signal, signal], axis=1), RATE, subtype="PCM_24")
    assert [s.text for s in engine.transcribe(path).segments()] == [
        s.text for s in engine.transcribe(write_wav(tmp_path / "b.wav", signal)).segments()
    ]


def test_errors_before_and_during(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(AudioUnreadable):
        engine.transcribe(tmp_path / "absent")
    path = write_wav(tmp_path / "a.wav", long_signal(2))
    with pytest.raises(AudioTooLong):
        engine.transcribe(path, max_seconds=1.0)
    broken = np.concatenate([long_signal(10), np.full(20 * RATE, 20_000, np.float32)])
    path.write_bytes(wav_bytes(broken.astype("<f4").tobytes(), bits=32, encoding=3))
    with engine.transcribe(path) as transcription, pytest.raises(AudioUnsupported, match="full scale"):
        list(transcription)
    assert transcription.progress.part < 1.0


def test_closed_early(engine: Engine, tmp_path: Path) -> None:
    with engine.transcribe(write_wav(tmp_path / "a.wav", long_signal(90))) as transcription:
        next(transcription.segments())
    transcription.close()
    assert list(transcription) == []
    assert 0.0 < transcription.summary.seconds < 250.0
    assert list(engine.transcribe(tmp_path / "a.wav"))


def open_files(path: Path) -> int:
    return sum(file.path == str(path) for file in psutil.Process().open_files())


def test_the_file_is_freed_wherever_the_consumer_stops(engine: Engine, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", long_signal(90))
    events = list(engine.transcribe(path))
    assert isinstance(events[-1], Summary)
    assert open_files(path) == 0
    gc.disable()
    try:
        for stop in (1, 2, len(events) // 2, len(events) - 1):
            with engine.transcribe(path) as transcription:
                for _ in islice(transcription, stop):
                    pass
                assert open_files(path) == 1
            assert open_files(path) == 0
            assert list(transcription) == []
        for _ in engine.transcribe(path):
            break
        assert open_files(path) == 0
        next(engine.posteriors(path))
        assert open_files(path) == 0
        with pytest.raises(ZeroDivisionError), engine.transcribe(path) as transcription:
            for _ in transcription.segments():
                1 / 0  # noqa: B018
        assert open_files(path) == 0
    finally:
        gc.enable()


def test_posteriors_are_what_the_decoder_is_given(engine: Engine, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", long_signal(5))
    decoded = [engine.decoder.words(one.emission, one.start, one.end) for one in engine.posteriors(path)]
    segments = list(engine.transcribe(path).segments())
    assert [words for words in decoded if words] == [segment.words for segment in segments] != []


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        Engine.load(tmp_path / "absent")


def test_memory_does_not_grow_with_the_length(engine: Engine, tmp_path: Path) -> None:
    def peak(sentences: int) -> int:
        path = write_wav(tmp_path / "a.wav", long_signal(sentences))
        tracemalloc.start()
        assert sum(len(segment.words) for segment in engine.transcribe(path).segments()) == 2 * sentences
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(240) < peak(120) + 1_000_000


def test_installed_model_on_real_clips(installed_model: Path, clips: list[Path]) -> None:
    engine = Engine.load(installed_model, threads=2)
    waveforms, alone = [], []
    for clip in clips[:4]:
        transcription = engine.transcribe(clip)
        segments = list(transcription.segments())
        check_order(segments, transcription.summary.seconds)
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


def test_installed_model_hears_quiet_recordings(
    installed_model: Path, clips: list[Path], tmp_path: Path
) -> None:
    """Whole recordings 40 dB down, and a far speaker 30 dB below a near one, give nearly the same letters."""
    engine = Engine.load(installed_model, threads=2, precision="float32", decoder="greedy")

    def letters(samples: Samples) -> str:
        path = write_wav(tmp_path / "a.wav", samples, subtype="FLOAT")
        return "".join(segment.text.replace(" ", "") for segment in engine.transcribe(path).segments())

    def attenuated(samples: Samples, decibels: float) -> Samples:
        return samples * np.float32(10 ** (decibels / 20))

    sounds = []
    for clip in clips[:8]:
        with open_audio(clip, RATE) as audio:
            sounds.append(np.concatenate(list(audio), axis=1)[0])
    loud = "".join(letters(samples) for samples in sounds)
    quiet = "".join(letters(attenuated(samples, -40.0)) for samples in sounds)
    pause = np.random.default_rng(4).normal(0.0, 1e-4, RATE // 2).astype(np.float32)
    parts = [(attenuated(samples, -30.0 * (index % 2)), pause) for index, samples in enumerate(sounds)]
    far = letters(np.concatenate([sound for part in parts for sound in part]))
    assert SequenceMatcher(None, loud, quiet, autojunk=False).ratio() > 0.95
    assert SequenceMatcher(None, loud, far, autojunk=False).ratio() > 0.9


def test_skipped_chunks_are_not_recognised_and_the_rest_is_the_same(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resume from every reported number of chunks, with pauses and words of many lengths."""
    monkeypatch.setattr(UtteranceStream, "WORKING_BYTES", 4 * 2**20)
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
    transcription = engine.transcribe(path)
    for event in transcription:
        if isinstance(event, Segment):
            whole.append(event)
        elif isinstance(event, Progress):
            reported.setdefault(event.chunks_done, len(whole))
    assert len(reported) > 10
    for chunks, segments in reported.items():
        with engine.transcribe(path, skip_chunks=chunks) as rest:
            assert list(rest.segments()) == whole[segments:]
        assert rest.progress.chunks_done == transcription.progress.chunks_done
        assert rest.progress.part == 1.0


def test_both_sides_of_a_call_go_on_where_an_attempt_broke_off(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel needs overlapping windows, the other has short sentences."""
    monkeypatch.setattr(UtteranceStream, "WORKING_BYTES", 6 * 2**20)
    dice = np.random.default_rng(2)
    long = speak(" ".join(["नमस्ते मन", "सन तन"][dice.integers(2)] for _ in range(50)))
    answers = [part for _ in range(60) for part in (speak("नम तन"), silence(dice.uniform(0.7, 2.0)))]
    path = tmp_path / "call.wav"
    call = np.zeros((len(long) + RATE, 2), np.float32)
    call[: len(long), 0] = long
    answer = np.concatenate(answers)[: len(call)]
    call[: len(answer), 1] = answer
    soundfile.write(path, call, RATE, subtype="PCM_16")
    each = RecognitionOptions(channels=Channels.EACH)
    reported: dict[int, int] = {}
    progress: list[float] = []
    whole: list[Segment] = []
    transcription = engine.transcribe(path, options=each)
    for event in transcription:
        if isinstance(event, Segment):
            whole.append(event)
        elif isinstance(event, Progress):
            reported.setdefault(event.chunks_done, len(whole))
            progress.append(event.part)
    assert progress == sorted(progress)
    assert len(reported) > 3
    for channel in (1, 2):
        check_order([s for s in whole if s.channel == channel], transcription.summary.seconds)
    told = " ".join(segment.text for segment in whole if segment.channel == 1)
    assert told == " ".join(
        word.text for word in engine.decoder.words(engine.recogniser.log_probs([long])[0])
    )
    for chunks in sorted({*reported, *range(0, transcription.progress.chunks_done, 7)}):
        with engine.transcribe(path, skip_chunks=chunks, options=each) as rest:
            found = list(rest.segments())
        assert found == whole[len(whole) - len(found) :]
        assert rest.progress.chunks_done == transcription.progress.chunks_done
        if chunks in reported:
            assert found == whole[reported[chunks] :]


class NobodyBelow:
    """A voice detector for the toy model: anything louder than a tenth of full scale is voice."""

    def without_voice(self, waveforms: Sequence[Samples]) -> list[list[Span]]:
        found = []
        for waveform in waveforms:
            loud = np.flatnonzero(np.abs(waveform) > 0.15)
            edges = [-1, *loud.tolist(), len(waveform)]
            gaps = [(low + 1, high) for low, high in pairwise(edges) if high - low > RATE]
            found.append([(low, high) for low, high in gaps if low < high])
        return found


def test_where_nobody_speaks_there_are_no_words_and_no_run(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hum = np.concatenate([speak("▁" * 4), silence(0.1)] * 20)
    talk = [np.concatenate([hum, speak("नमस्ते"), hum]), silence(4), hum, silence(4), speak("मन"), silence(2)]
    path = write_wav(tmp_path / "a.wav", np.concatenate(talk))
    before = [segment.text for segment in engine.transcribe(path).segments()]
    listened: list[int] = []
    log_probs = OnnxCtcRecogniser.log_probs

    def counted(recogniser: OnnxCtcRecogniser, waveforms: Sequence[Samples]) -> list[LogProbs]:
        listened.extend(map(len, waveforms))
        return log_probs(recogniser, waveforms)

    monkeypatch.setattr(OnnxCtcRecogniser, "log_probs", counted)
    monkeypatch.setattr(engine, "detector", NobodyBelow())
    transcription = engine.transcribe(path)
    segments = list(transcription.segments())
    assert [segment.text for segment in segments] == ["नमस्ते", "मन"] == before
    assert segments[0].start == pytest.approx(len(hum) / RATE, abs=2 * FRAME / RATE)
    assert sum(listened) / RATE < 4.0 < 2 * len(hum) / RATE
    assert transcription.summary.speech_seconds == pytest.approx(sum(listened) / RATE, abs=0.3)
    for chunks in range(1, transcription.progress.chunks_done + 1):
        rest = list(engine.transcribe(path, skip_chunks=chunks).segments())
        assert rest == segments[len(segments) - len(rest) :]


def test_progress_moves_where_nothing_is_said(engine: Engine, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.concatenate([speak("नम"), silence(900), speak("मन")]))
    events = list(engine.transcribe(path))
    progress = [event.part for event in events if isinstance(event, Progress)]
    assert sum(isinstance(event, Segment) for event in events) == 2
    assert progress == sorted(progress)
    assert max(np.diff(progress)) < 0.2
