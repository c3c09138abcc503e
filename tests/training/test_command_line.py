"""The commands one after another, on a manifest of one's own."""

import csv
import ctypes.util
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.speech.sounds import write_wav
from tests.training.conftest import require

require("torch")

from speech.model import ModelFolder  # noqa: E402
from training.__main__ import app  # noqa: E402
from training.espeak import Espeak  # noqa: E402
from training.phones import phones_of  # noqa: E402
from training.store import Store  # noqa: E402

runner = CliRunner()


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    if ctypes.util.find_library("espeak-ng") is None and not os.environ.get("CI"):
        pytest.skip("the library espeak-ng is missing")
    return Espeak()


def test_espeak_speaks_and_reads_phones(espeak: Espeak) -> None:
    assert espeak.set_voice("hi")
    assert phones_of(espeak.ipa("हूँ")) == ["h", "u", "\u0303"]
    slow, fast = espeak.synthesise("नमस्ते", rate=100), espeak.synthesise("नमस्ते", rate=220)
    assert len(slow) > 1.3 * len(fast) > 0
    assert abs(int(slow.max())) > 1000


def test_from_a_manifest_to_a_model(espeak: Espeak, tmp_path: Path) -> None:
    espeak.set_voice("hi")
    rows = [("एक दो तीन", "one"), ("चार पाँच छह", "two"), ("यह मत सीखो", "kept"), ("कमरा नंबर 5", "one")]
    with (tmp_path / "manifest.tsv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t")
        writer.writerow(["path", "text", "seconds", "speaker", "language"])
        for index, (text, speaker) in enumerate(rows):
            samples = espeak.synthesise(text) / 32768
            write_wav(tmp_path / f"{index}.wav", samples, espeak.sample_rate)
            writer.writerow([f"{index}.wav", text, 1.0, speaker, "hi"])
    (tmp_path / "text.txt").write_text("यह मत सीखो।\nयह घर बड़ा है।\nवह 3 बजे आया।\n" * 3, encoding="utf-8")
    work, model = tmp_path / "work", tmp_path / "models" / "mine"
    arguments = [
        "prepare", "--no-recipe", "--work", work, "--manifest", tmp_path / "manifest.tsv", "--text",
        tmp_path / "text.txt", "--hold-out", "kept", "--hours-espeak", 1, "--hours-festival", 0,
        "--processes", 1,
    ]  # fmt: skip
    prepared = runner.invoke(app, [str(a) for a in arguments])
    assert prepared.exit_code == 0, prepared.output
    clips = Store(work / "store").clips
    assert sorted((c.split, c.source, c.text) for c in clips) == [
        ("held-out", tmp_path.name, "यह मत सीखो"),
        ("train", "synthetic", "यह घर बड़ा है"),
        ("train", tmp_path.name, "एक दो तीन"),
        ("train", tmp_path.name, "चार पाँच छह"),
    ]
    assert all(c.phones for c in clips)
    assert "--again" in runner.invoke(app, ["prepare", "--work", str(work)]).output

    arguments = [
        "train", "--work", work, "--updates", 2, "--warm-updates", 1, "--width", 16, "--inner-blocks", 1,
        "--threads", 1,
    ]  # fmt: skip
    trained = runner.invoke(app, [str(a) for a in arguments])
    assert trained.exit_code == 0, trained.output
    assert "यह मत सीखो =>" in trained.output
    assert (work / "loss.png").stat().st_size > 1000

    exported = runner.invoke(app, ["export", "--work", str(work), "--out", str(model)])
    assert exported.exit_code == 0, exported.output
    folder = ModelFolder.load(model)
    folder.verify_hashes()
    assert folder.name == "mine"
    assert folder.training["updates"] == 2
    assert [line.split(",")[0] for line in folder.training["data"]] == [
        tmp_path.name, "espeak-ng Hindi",
    ]  # fmt: skip
    assert folder.max_segment_seconds == 16.0
