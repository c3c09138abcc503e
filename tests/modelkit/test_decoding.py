"""The commands `times`, `calibrate`, `hotwords` and `decoders` on a model whose words can be played to it."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from shrutlekh_contract.hotwords import DEFAULT_WEIGHT
from typer.testing import CliRunner

from modelkit.__main__ import app
from modelkit.decoding import decoder_commands
from modelkit.decoding.preference import effect, hotword_lists
from modelkit.description import read_description
from modelkit.measuring.manifest import read_manifest
from modelkit.measuring.noises import UNMET, noises
from modelkit.measuring.utterances import utterances_of
from speech import Engine, ModelFolder
from speech.decoding import BeamDecoder, Calibration, WordTimes
from tests.conftest import MODEL, ROOT
from tests.speech.language_models import write_language_model
from tests.speech.sounds import RATE, silence, speak, write_model, write_wav

SAID = {"नम मन": "नम मन", "सम तन": "सम तन", "मन नम": "मन नम", "मत सम": "मत मन"}
"""What is played, and what is meant by it. No lexicon has तन."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "model", decoding={"decoder": "beam", "alpha": 0.5})
    write_language_model(folder / "lm")
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows, times = ["path\ttext\tspeaker\n"], ["path\tstart\tend\tword\n"]
    for number, (played, meant) in enumerate(SAID.items()):
        words = [np.concatenate([silence(0.2), speak(f"{word} ")]) for word in played.split()]
        write_wav(tmp_path / f"{number}.wav", np.concatenate([*words, silence(0.3)]))
        rows.append(f"{number}.wav\t{meant}\ts{number % 2}\n")
        begin = 0.0
        for word, sound in zip(meant.split(), words, strict=True):
            times.append(f"{number}.wav\t{begin}\t{begin + len(sound) / RATE}\t{word}\n")
            begin += len(sound) / RATE
    path = tmp_path / "manifest.tsv"
    path.write_text("".join(rows), encoding="utf-8")
    (tmp_path / "times.tsv").write_text("".join(times), encoding="utf-8")
    return path


def run(*arguments: str) -> str:
    done = CliRunner(env={"COLUMNS": "120"}).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def rows(output: str) -> dict[str, list[str]]:
    """Cells of a printed table by the first one."""
    cells = [re.split(r"\s*│\s*", line.strip(" │")) for line in output.splitlines() if "│" in line]
    return {first: rest for first, *rest in cells}


def test_times_are_fitted_kept_and_printed(model: Path, manifest: Path) -> None:
    arguments = ["times", str(model), "--manifest", str(manifest)]
    arguments += ["--word-times", str(manifest.parent / "times.tsv")]
    found = rows(run(*arguments, "--fit"))
    assert WordTimes.of_model(ModelFolder.load(model).decoding) != WordTimes()
    assert found.keys() == {"alignment", "greedy", "beam"}
    assert (found["alignment"][0], found["greedy"][0], found["beam"][0]) == ("8", "7", "6")
    assert all(float(cell) <= 60 for row in found.values() for cell in row[1:5])
    assert "2 recordings" in run(*arguments, "--speaker", "s0")


@pytest.fixture
def little_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_commands, "noises", partial(noises, each=1))


@pytest.mark.usefixtures("little_noise")
def test_confidence_is_fitted_kept_and_printed(model: Path, manifest: Path) -> None:
    arguments = ["calibrate", str(model), "--manifest", str(manifest)]
    output = run(*arguments)
    assert "confidence" not in read_description(model)["decoding"]
    assert "melody: words in" in output
    run(*arguments, "--write")
    kept = ModelFolder.load(model).decoding
    for decoder in ("greedy", "beam"):
        assert Calibration.of_model(kept, decoder) is not None
        assert kept["confidence"][decoder]["fitted"]["speakers"] == 2
    assert kept["alpha"] == 0.5


@pytest.mark.usefixtures("little_noise")
def test_one_speaker_is_not_enough_for_confidence(model: Path, manifest: Path) -> None:
    done = CliRunner().invoke(
        app, ["calibrate", str(model), "--manifest", str(manifest), "--speaker", "s0", "--write"]
    )
    assert done.exit_code != 0
    assert "two speakers" in str(done.exception)


def test_hot_words_find_what_was_missed(model: Path, manifest: Path) -> None:
    output = run("hotwords", str(model), "--manifest", str(manifest), "--weight", "4", "--show")
    assert "s1: तन" in output
    found = rows(output)
    assert found["none"][:3] == ["1", "0", "0"]
    assert found["4"][:3] == ["1", "1", "0"]


def test_a_list_has_what_a_speaker_missed_and_what_only_others_did(model: Path, manifest: Path) -> None:
    engine = Engine.load(model, decoder="greedy")
    entries = read_manifest(manifest)
    heard = utterances_of(engine, entries, lambda: None)
    decoder = BeamDecoder.of_model(engine.folder)
    assert hotword_lists(decoder, entries, heard, 20) == {"s0": ("तन",), "s1": ("तन",)}
    found = effect(decoder, entries, heard, {"s0": (), "s1": ("तन",)}, 4.0)
    assert (found.said, found.found, found.false) == (1, 1, 0)
    assert found.errors.reference_length == 8
    assert found.others.reference_length == 7


def test_decoders_are_compared(model: Path, manifest: Path) -> None:
    found = rows(run("decoders", str(model), "--manifest", str(manifest), "--rounds", "1"))
    assert found["greedy"][0] == "0.1250"
    assert found["beam"][0] == "0.2500"
    assert found["greedy"][3] == "1.00"
    assert float(found["beam"][3]) > 0


def test_recordings_that_are_not_there(model: Path, manifest: Path) -> None:
    done = CliRunner().invoke(
        app, ["hotwords", str(model), "--manifest", str(manifest), "--without", "s0", "--without", "s1"]
    )
    assert done.exit_code == 2


BOOKS = ("DadsBootsHindi", "TallAndShortHindiLv4")


@pytest.fixture(scope="module")
def installed() -> Path:
    return ROOT / "models" / MODEL


def test_times_of_the_default_model_on_books_it_has_not_met(installed: Path, speech_dir: Path) -> None:
    """Half of all starts and ends within 60 ms, nine of ten within 150 ms."""
    folder = speech_dir / "reader-hi"
    chosen = [argument for book in BOOKS for argument in ("--speaker", book)]
    arguments = ["--manifest", str(folder / "pages.tsv"), "--word-times", str(folder / "word_times.tsv")]
    found = rows(run("times", str(installed), *arguments, *chosen))
    for decoder in ("alignment", "greedy", "beam"):
        words, start, latest_start, end, latest_end = map(int, found[decoder][:5])
        assert words > 100
        assert max(start, end) < 60
        assert max(latest_start, latest_end) < 150


def test_hot_words_of_the_default_model(installed: Path, speech_dir: Path) -> None:
    engine = Engine.load(installed, decoder="greedy")
    entries = read_manifest(speech_dir / "cv-hi" / "manifest.tsv")
    heard = utterances_of(engine, entries, lambda: None)
    decoder = BeamDecoder.of_model(engine.folder)
    lists = hotword_lists(decoder, entries, heard, 20)
    without, with_them = (effect(decoder, entries, heard, lists, weight) for weight in (None, DEFAULT_WEIGHT))
    assert with_them.found >= without.found + with_them.said // 4
    assert with_them.false <= with_them.found // 2
    assert with_them.errors.rate < without.errors.rate
    assert with_them.others.rate <= without.others.rate + 0.01


def test_the_default_model_is_less_sure_of_noise_than_of_speech(installed: Path, speech_dir: Path) -> None:
    engine = Engine.load(installed)
    assert isinstance(engine.decoder, BeamDecoder)

    def sureness(utterances: list[np.ndarray]) -> float:
        found = [engine.decoder.words(log_probs) for log_probs in utterances]
        return float(np.mean([word.confidence for words in found for word in words] or [0.0]))

    noise = [engine.recogniser.log_probs([waveform])[0] for _, waveform in noises(UNMET, RATE, each=4)]
    clips = read_manifest(speech_dir / "cv-hi" / "manifest.tsv")[::4]
    speech = [utterance.emission for one in utterances_of(engine, clips, lambda: None) for utterance in one]
    assert sureness(noise) < 0.75 * sureness(speech)
