from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from modelkit.__main__ import app
from modelkit.measuring.breakdown import (
    RATE,
    breakdown,
    facts_of,
    levels,
    markdown,
    signal_to_noise,
    telephoned,
    write_card,
    write_telephoned,
)
from modelkit.measuring.manifest import Entry, read_manifest
from speech import Engine
from tests.speech.sounds import silence, speak, write_model, write_wav

CARD = "# Model\n\n<!-- breakdown: made -->\nold\n<!-- end of breakdown -->\n\nMore.\n"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two speakers; the second recording does not say what the manifest says, and one is long."""
    write_wav(tmp_path / "a.wav", speak("नम नम"))
    write_wav(tmp_path / "b.wav", np.concatenate([silence(3.0), speak("नम सम"), silence(3.0)]))
    path = tmp_path / "made" / "manifest.tsv"
    path.parent.mkdir()
    path.write_text(
        "path\ttext\tspeaker\tgender\n../a.wav\tनम नम\tone\tfemale\n../b.wav\tनम नम\ttwo\t\n",
        encoding="utf-8",
    )
    return path


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def power(waveform: np.ndarray) -> float:
    return float(np.square(waveform[len(waveform) // 4 : -len(waveform) // 4]).mean())


def test_each_recording_is_in_one_group_of_each_kind(tmp_path: Path, manifest: Path) -> None:
    engine = Engine.load(write_model(tmp_path / "model"))
    advanced: list[int] = []
    rows = breakdown({"greedy": engine}, read_manifest(manifest), lambda: advanced.append(1))
    assert len(advanced) == 4
    found = {(row.kind, row.group): row for row in rows}
    assert found["all", ""].rates["greedy"][0] == 0.25
    assert found["speaker", "one"].rates["greedy"][0] == 0.0
    assert found["speaker", "two"].rates["greedy"][0] == 0.5
    assert [row.group for row in rows if row.kind == "gender"] == ["female"]
    assert found["length", "under 3 s"].recordings == found["length", "from 5 s"].recordings == 1
    for kind in ("speaker", "length", "speaking rate", "signal to noise", "telephone"):
        assert sum(row.recordings for row in rows if row.kind == kind) == 2
    assert "| speaker | two | 1 | 2 | 50.0 % |" in markdown(rows)


def test_the_ratio_of_signal_to_noise_is_estimated() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, RATE * 4).astype(np.float32)
    speech = noise.copy()
    speech[RATE : 3 * RATE] += tone(440, 2.0)
    expected = 10 * np.log10(0.3**2 / 2 / 0.01**2)
    assert signal_to_noise(levels(speech)) == pytest.approx(expected, abs=1.0)
    assert signal_to_noise(levels(noise)) < 2.0
    assert signal_to_noise(levels(np.zeros(0, np.float32))) == 0.0


def test_the_rate_leaves_out_the_pauses_around(tmp_path: Path) -> None:
    spoken = np.concatenate([np.zeros(RATE, np.float32), tone(300, 2.0), np.zeros(2 * RATE, np.float32)])
    path = write_wav(tmp_path / "a.wav", spoken)
    facts = facts_of(Entry(path, "नम नम", "one"))
    assert facts.seconds == pytest.approx(5.0)
    assert facts.rate == pytest.approx(4 / 2.0, rel=0.05)


def test_a_telephone_lets_its_band_through() -> None:
    assert power(telephoned(tone(1000))) == pytest.approx(power(tone(1000)), rel=0.05)
    assert power(telephoned(tone(75))) < 1e-3 * power(tone(75))
    assert power(telephoned(tone(6000))) < 1e-4 * power(tone(6000))


def test_a_call_is_a_mu_law_file(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(1000))
    (called,) = write_telephoned([Entry(path, "नम", "one")], tmp_path)
    file = soundfile.info(called.path)
    assert (file.samplerate, file.subtype, called.text) == (8000, "ULAW", "नम")


def test_the_card_gets_the_table_between_its_marks(tmp_path: Path, manifest: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(CARD, encoding="utf-8")
    folder = write_model(tmp_path / "model")
    arguments = ["breakdown", str(folder), "--manifest", str(manifest), "--card", str(card)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    text = card.read_text(encoding="utf-8")
    assert shown.stdout.strip() in text
    assert "old" not in text
    assert text.startswith("# Model\n\n<!--")
    assert text.endswith("-->\n\nMore.\n")


def test_a_card_without_marks_is_left_alone(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(CARD, encoding="utf-8")
    with pytest.raises(ValueError, match="other"):
        write_card(card, "other", "| |")
    assert card.read_text(encoding="utf-8") == CARD
