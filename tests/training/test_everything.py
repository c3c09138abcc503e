"""The one command behind `make model`, from corpora to a model folder with its figures, on toy corpora."""

import csv
import ctypes.util
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.speech.sounds import write_wav
from tests.training.conftest import require

require("torch")
require("flashlight")

from modelkit.description import read_description  # noqa: E402
from speech.engine import Engine  # noqa: E402
from speech.model import ModelFolder  # noqa: E402
from training.__main__ import app  # noqa: E402
from training.espeak import Espeak  # noqa: E402
from training.language_model import FREQUENCIES, STYLES  # noqa: E402
from training.recipe import CORPORA, EVALUATION_SETS, HELD_OUT_BOOKS, PHRASE_TEXTS, WHOLE_TEXTS  # noqa: E402

runner = CliRunner()

SAID = ("एक दो तीन", "चार पाँच छह", "यह घर बड़ा है", "कल हम सब घर गए")
KEPT = ("वह मेरा दोस्त है", "पानी बहुत ठंडा था")
WORDS = ("घर", "पानी", "दोस्त", "बाज़ार", "गाना", "खाना", "रास्ता", "कमरा")


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """Every manifest and text that the recipe names, each with a few sentences in espeak-ng's voice."""
    if ctypes.util.find_library("espeak-ng") is None and not os.environ.get("CI"):
        pytest.skip("the library espeak-ng is missing")
    espeak = Espeak()
    espeak.set_voice("hi")
    folder = tmp_path / "speech"
    for name in dict.fromkeys([*(c.manifest for c in CORPORA), *(s.manifest for s in EVALUATION_SETS)]):
        manifest = folder / name
        manifest.parent.mkdir(parents=True, exist_ok=True)
        own = KEPT if name.startswith("cv-hi") else SAID
        rows = [(text, "one") for text in own]
        if name.endswith("pages.tsv"):
            rows += [(KEPT[0], HELD_OUT_BOOKS[0])]
        with manifest.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, delimiter="\t")
            writer.writerow(["path", "text", "seconds", "speaker", "language"])
            for number, (text, speaker) in enumerate(rows):
                clip = f"{manifest.stem}-{number}.wav"
                write_wav(manifest.parent / clip, espeak.synthesise(text) / 32768, espeak.sample_rate)
                writer.writerow([clip, text, 1.0, speaker, "hi"])
    names = {name for files in STYLES.values() for name in files if name.endswith(".txt")}
    (folder / "text").mkdir()
    for name in sorted({*names, *WHOLE_TEXTS, *PHRASE_TEXTS}):
        lines = [f"{first} और {second} यहाँ है।" for first in WORDS for second in WORDS]
        (folder / "text" / name).write_text("\n".join(lines), encoding="utf-8")
    (folder / "text" / FREQUENCIES).write_text("घर\t3\nनदी\t2\n", encoding="utf-8")
    return folder


def test_one_command_makes_a_tuned_and_measured_model(corpora: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "models" / "toy", tmp_path / "work"
    arguments = [
        "all", "--work", work, "--speech-dir", corpora, "--out", out, "--hours-espeak", 0.02,
        "--hours-festival", 0, "--updates", 2, "--respell-updates", 2, "--width", 16, "--inner-blocks", 1,
        "--threads", 1, "--trials", 2, "--sample", corpora / "cv-hi" / "manifest-0.wav",
    ]  # fmt: skip
    made = runner.invoke(app, [str(a) for a in arguments])
    assert made.exit_code == 0, made.output
    folder = ModelFolder.load(out)
    folder.verify_hashes()
    entries = read_description(out)
    measured = {(entry["set"], entry["decoder"]) for entry in entries["evaluation"]}
    assert measured == {(chosen.name, name) for chosen in EVALUATION_SETS for name in ("greedy", "beam")}
    assert entries["decoding"]["tuned"]["set"] == EVALUATION_SETS[0].name
    assert entries["check"]["clip"] == "manifest-0.wav"
    assert entries["training"]["updates"] == 2
    assert Engine.load(out).decoder_name == "beam"

    language_model = (out / "lm" / "words.arpa.gz").read_bytes()
    exported = runner.invoke(app, ["export", "--work", str(work), "--out", str(out)])
    assert exported.exit_code == 0, exported.output
    assert (out / "lm" / "words.arpa.gz").read_bytes() == language_model
    ModelFolder.load(out).verify_hashes()
    assert not [check for check in folder.path.parent.iterdir() if check.name != "toy"]
