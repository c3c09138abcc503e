from pathlib import Path

import numpy as np
import pytest

from benchmarks.telephone import LINE_RATE, LINES, ORIGINAL, band_limited, loss
from modelkit.measuring.evaluation import scored
from modelkit.measuring.manifest import Entry
from speech.audio import open_audio
from tests.speech.sounds import RATE, write_wav


@pytest.mark.parametrize(("hertz", "kept"), [(100, 0.0), (200, 0.0), (500, 1.0), (3000, 1.0), (3700, 0.0)])
def test_the_band_of_a_telephone(hertz: int, kept: float) -> None:
    samples = np.sin(2 * np.pi * hertz * np.arange(LINE_RATE) / LINE_RATE).astype(np.float32)
    found = band_limited(samples, LINE_RATE)
    assert found.shape == samples.shape
    assert np.abs(found).max() == pytest.approx(kept, abs=0.01)


@pytest.mark.parametrize("line", [line for line in LINES if line != ORIGINAL])
def test_what_arrives_is_as_long_and_as_loud(tmp_path: Path, line: str) -> None:
    clip = write_wav(tmp_path / "clip.wav", (0.3 * np.sin(np.arange(2 * RATE) / 4)).astype(np.float32))
    with open_audio(LINES[line](clip, tmp_path / "sent"), RATE) as audio:
        assert audio.source_rate == (48_000 if "Opus" in line else LINE_RATE)
        found = np.concatenate(list(audio), axis=1)[0]
    assert len(found) == pytest.approx(2 * RATE, abs=0.03 * RATE)
    assert found[RATE // 2 : RATE].std() == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_the_loss_is_counted_in_words_of_the_reference() -> None:
    entries = [Entry(Path(f"{name}.wav"), text, "") for name, text in (("a", "एक दो"), ("b", "तीन चार"))]
    original = [scored(entry, entry.text, 1.0) for entry in entries]
    here = [scored(entries[0], "एक", 1.0), scored(entries[1], entries[1].text, 1.0)]
    assert loss(original, original, "words").value == 0.0
    found = loss(here, original, "words")
    assert found.value == 0.25
    assert 0.0 <= found.low <= found.value <= found.high <= 0.5
