"""Live transcription: the final segments are those of the recording, and previews are ahead of them."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from shrutlekh_contract.options import RecognitionOptions

from speech import Engine, LiveTranscription, Preview, samples_of
from speech.audio import open_audio
from speech.preview import EDGE_SECONDS
from tests.speech.sounds import RATE, Samples, silence, speak, write_wav
from transcript.words import Segment


@pytest.fixture(scope="module")
def toy(model_path: Path) -> Engine:
    return Engine.load(model_path)


@pytest.fixture(scope="module")
def conversation(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Real clips with pauses of 0 to 3 s of faint noise, one without a pause, at several sample rates."""
    dice = np.random.default_rng(11)
    folder = tmp_path_factory.mktemp("conversation")
    made = {}
    for rate in (16_000, 48_000, 8_000):
        parts = []
        for clip, pause in zip(clips[:6], (0.2, 0.0, 1.2, 0.1, 3.0, 0.5), strict=True):
            with open_audio(clip, rate) as audio:
                parts.append(np.concatenate(list(audio), axis=1)[0])
            parts.append(dice.normal(0.0, 1e-4, round(pause * rate)).astype(np.float32))
        made[rate] = write_wav(folder / f"{rate}.wav", np.concatenate(parts), rate)
    return made


def pieces_of(path: Path, seed: int) -> Iterator[Samples]:
    """The samples of a recording in pieces of 20 to 200 ms."""
    pcm, rate = soundfile.read(path, dtype="int16")
    dice = np.random.default_rng(seed)
    begin = 0
    while begin < len(pcm):
        end = begin + round(rate * dice.uniform(0.02, 0.2))
        yield samples_of(pcm[begin:end].astype("<i2").tobytes())
        begin = end


def played(
    live: LiveTranscription, path: Path, preview_every: int = 0
) -> tuple[list[Segment], list[Preview]]:
    """Play a recording to a live transcription."""
    segments: list[Segment] = []
    previews: list[Preview] = []
    for number, piece in enumerate(pieces_of(path, seed=3)):
        segments += live.push(piece)
        if preview_every and number % preview_every == 0:
            previews += [preview] if (preview := live.preview()) else []
    return [*segments, *live.finish()], previews


@pytest.mark.parametrize(
    ("rate", "decoder", "precision"),
    [
        (16_000, "beam", "int8"),
        (16_000, "greedy", "float32"),
        (48_000, "greedy", "int8"),
        (8_000, "greedy", "int8"),
    ],
)
def test_the_segments_are_those_of_the_recording(
    installed_model: Path, conversation: dict[int, Path], rate: int, decoder: str, precision: str
) -> None:
    engine = Engine.load(installed_model, precision=precision)
    options = RecognitionOptions(decoder=decoder)
    with engine.transcribe(conversation[rate], options=options) as transcription:
        recorded = list(transcription.segments())
    live = engine.transcribe_live(rate, options)
    segments, _ = played(live, conversation[rate], preview_every=12 if rate == 16_000 else 0)
    assert len(recorded) > 2
    if precision == "float32":  # padding to the longest of a batch changes the last digits of confidences
        assert [_times(one) for one in segments] == [_times(one) for one in recorded]
    else:
        assert segments == recorded
    assert live.seconds == transcription.summary.seconds
    assert live.speech_seconds == transcription.summary.speech_seconds


def _times(segment: Segment) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in segment.words]


def test_continuous_speech_is_joined_as_in_a_recording(toy: Engine, tmp_path: Path) -> None:
    dice = np.random.default_rng(2)
    text = " ".join(["नमस्ते मन", "सन तन"][dice.integers(2)] for _ in range(60))
    path = write_wav(tmp_path / "a.wav", np.concatenate([speak(text), silence(2.0), speak("मन")]))
    recorded = list(toy.transcribe(path).segments())
    found, previews = played(toy.transcribe_live(RATE), path, preview_every=3)
    assert found == recorded
    assert len(found) > 3
    assert all(preview.stable <= len(preview.words) for preview in previews)


def test_a_preview_shows_words_long_before_their_segment(toy: Engine, tmp_path: Path) -> None:
    live = toy.transcribe_live(RATE)
    assert live.preview() is None
    audio = np.concatenate([silence(1.0), speak("नमस्ते मन "), silence(EDGE_SECONDS)])
    assert not list(live.push(audio))
    preview = live.preview()
    assert preview is not None
    assert [word.text for word in preview.words] == ["नमस्ते", "मन"]
    assert preview.stable == 0
    assert live.preview() is None  # nothing new
    assert not list(live.push(silence(0.2)))
    again = live.preview()
    assert again is not None
    assert again.words == preview.words
    assert again.stable == 2
    (segment,) = live.finish()
    for final, shown in zip(segment.words, preview.words, strict=True):
        assert (final.text, final.start, final.end) == (
            shown.text,
            pytest.approx(shown.start, abs=0.06),
            pytest.approx(shown.end, abs=0.06),
        )


def test_words_of_a_final_segment_leave_the_preview(toy: Engine) -> None:
    live = toy.transcribe_live(RATE)
    segments: list[Segment] = []
    shown: set[str] = set()
    for block in np.array_split(np.concatenate([speak("मन तन "), silence(13.0), speak("नम सन ")]), 80):
        segments += live.push(block)
        preview = live.preview()
        assert preview is not None
        texts = [word.text for word in preview.words]
        shown.update(texts)
        assert not (segments and {"मन", "तन"} & set(texts))
    assert [segment.text for segment in segments] == ["मन तन"]
    assert shown >= {"मन", "तन", "नम"}


def test_a_preview_decodes_a_few_seconds_only(toy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    live = toy.transcribe_live(RATE)
    lengths: list[int] = []
    words: list[list[str]] = []
    run = toy.recogniser.log_probs
    for block in np.array_split(speak("मन तन नम " * 12), 60):
        list(live.push(block))
        with monkeypatch.context() as patch:
            patch.setattr(
                toy.recogniser,
                "log_probs",
                lambda batch: (lengths.extend(map(len, batch)), run(batch))[1],
            )
            preview = live.preview()
        assert preview is not None
        words.append([word.text for word in preview.words])
        starts = [word.start for word in preview.words]
        assert all(one <= other for one, other in pairwise(starts))
    assert max(lengths) <= 7.5 * RATE
    lengths.clear()
    list(live.push(speak("मन तन नम " * 8)))  # more than a preview decodes
    with monkeypatch.context() as patch:
        patch.setattr(
            toy.recogniser, "log_probs", lambda batch: (lengths.extend(map(len, batch)), run(batch))[1]
        )
        assert live.preview()
    assert 6 * RATE < max(lengths) <= 12 * RATE
    assert max(map(len, words)) > 8


def test_noise_and_silence_give_no_preview(installed_model: Path) -> None:
    engine = Engine.load(installed_model)
    live = engine.transcribe_live(RATE)
    noise = np.random.default_rng(0).normal(0.0, 0.02, 8 * RATE).astype(np.float32)
    for block in np.array_split(np.concatenate([silence(4.0), noise]), 24):
        assert not list(live.push(block))
        preview = live.preview()
        assert preview is not None
        assert preview.words == ()
    assert not list(live.finish())


def test_nothing_at_all(toy: Engine) -> None:
    live = toy.transcribe_live(48_000)
    assert not list(live.push(samples_of(b"")))
    assert live.preview() is None
    assert not list(live.finish())
    assert live.seconds == 0.0
