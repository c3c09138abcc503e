from pathlib import Path

import numpy as np
import pytest

from modelkit.decoding.timing import (
    align_words,
    aligned_times,
    decoded_times,
    fit,
    read_waveform,
    read_word_times,
    record_times,
    timed,
    without_silence,
)
from modelkit.decoding.tuning import record_decoding
from modelkit.description import read_description
from speech import Engine, ModelFolder, Utterance
from speech.decoding import BeamSettings, GreedyDecoder, Heard, WordTimes
from tests.speech.sounds import RATE, TOKENS, silence, speak, write_model, write_wav


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def test_word_times_are_read_by_recording(tmp_path: Path) -> None:
    path = tmp_path / "times.tsv"
    path.write_text(
        "path\tstart\tend\tword\na.wav\t0.0\t0.5\tनम।\na.wav\t0.5\tNaN\tमन\nb/c.wav\t0\t1\tसम\n",
        encoding="utf-8",
    )
    found = read_word_times(path)
    assert [word for word, _, _ in found[tmp_path / "a.wav"]] == ["नम", "मन"]
    assert found[tmp_path / "b" / "c.wav"] == [("सम", 0.0, 1.0)]
    path.write_text("path\tword\n", encoding="utf-8")
    with pytest.raises(ValueError, match="end, start"):
        read_word_times(path)


def test_silence_at_the_edges_of_a_word_is_none_of_it() -> None:
    tone = np.full(RATE // 2, 0.5, np.float32)
    quiet = np.full(RATE // 4, 1e-4, np.float32)
    waveform = np.concatenate([quiet, tone, quiet, quiet, tone, quiet])
    cuts = np.array([[0.0, 1.0], [1.0, 2.0], [0.0, 0.2], [np.nan, 1.0]])
    found = without_silence(waveform, RATE, cuts)
    assert found[:2] == pytest.approx(np.array([[0.25, 0.75], [1.25, 1.75]]), abs=0.0101)
    assert found[2] == pytest.approx(cuts[2]), "a word of silence alone keeps its marks"
    assert np.isnan(found[3, 0])
    assert without_silence(np.zeros(0, np.float32), RATE, cuts[:1]) == pytest.approx(cuts[:1])


def test_alignment_finds_the_words_where_they_are_played(model: Path) -> None:
    engine = Engine.load(model)
    waveform = np.concatenate([silence(0.4), speak("नम"), silence(0.4), speak("मन")])
    heard = align_words(engine.folder, engine.recogniser, waveform, ("नम", "मन"))
    assert heard is not None
    assert heard.texts == ("नम", "मन")
    times = aligned_times(engine.folder, heard, WordTimes(), len(waveform) / RATE)
    begin = (len(silence(0.4)) * 2 + len(speak("नम"))) / RATE
    assert times[1, 0] == pytest.approx(begin, abs=0.09)
    assert align_words(engine.folder, engine.recogniser, waveform, ("GST",)) is None
    assert align_words(engine.folder, engine.recogniser, waveform, ()) is None
    assert align_words(engine.folder, engine.recogniser, waveform[:2000], ("नमस्ते",)) is None
    assert align_words(engine.folder, engine.recogniser, silence(9.0), ("नम",)) is None, "too long for it"


def test_only_right_words_are_compared() -> None:
    path = [TOKENS.index(token) for token in "न▁म▁स"]
    log_probs = np.full((5, len(TOKENS)), -9.0, np.float32)
    log_probs[np.arange(5), path] = -0.01
    which, times = decoded_times(
        GreedyDecoder(TOKENS, 0, 0.04), [Utterance(log_probs, 1.0, 2.0)], ("न", "त", "स")
    )
    assert which == [0, 2]
    assert times == pytest.approx(np.array([[1.0, 1.04], [1.16, 1.2]]))
    nothing, none = decoded_times(GreedyDecoder(TOKENS, 0, 0.04), [], ("न",))
    assert (nothing, none.shape) == ([], (0, 2))


def test_the_fit_finds_by_how_much_the_path_is_off(model: Path) -> None:
    folder = ModelFolder.load(model)
    firsts = np.arange(5, 200, 10)
    heard = Heard(("न",) * len(firsts), firsts, firsts + 3, np.zeros((len(firsts), 5)))
    sounds = np.stack([firsts * 0.04 - 0.03, (firsts + 3) * 0.04 + 0.07], axis=1)
    dice = np.random.default_rng(0)
    sounds += dice.normal(0.0, 0.01, sounds.shape)
    sounds[3] = np.nan
    truth = timed(np.zeros(RATE * 9, np.float32), RATE, [("न", *row) for row in sounds])
    found = fit(folder, [(heard, truth, 9.0)])
    assert (found.start, found.end) == (pytest.approx(-0.03), pytest.approx(0.07))


def test_times_are_kept_by_tuning_and_the_other_way_round(model: Path) -> None:
    record_decoding(model, BeamSettings(alpha=0.7), {"set": "made"})
    record_times(model, WordTimes(-0.01, 0.08))
    assert read_description(model)["decoding"]["alpha"] == 0.7
    record_decoding(model, BeamSettings(alpha=0.9), {"set": "made"})
    decoding = read_description(model)["decoding"]
    assert (decoding["alpha"], decoding["times"]) == (0.9, {"start": -0.01, "end": 0.08})
    assert WordTimes.of_model(ModelFolder.load(model).decoding) == WordTimes(-0.01, 0.08)


def test_the_whole_of_a_recording(tmp_path: Path) -> None:
    signal = speak("नम")
    assert read_waveform(write_wav(tmp_path / "a.wav", signal), RATE) == pytest.approx(signal, abs=1e-4)
