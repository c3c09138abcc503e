"""The one command behind `make model`, from corpora to a model folder with its figures, on toy corpora."""

import csv
import ctypes.util
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import require
from tests.speech.sounds import write_wav
from tests.training.conftest import TINY

require("torch")
require("flashlight")

import torch  # noqa: E402

from modelkit.description import read_description  # noqa: E402
from speech import Engine, ModelFolder  # noqa: E402
from tests.training.toy_kokoro import write_toy  # noqa: E402
from tests.training.whisper_layouts import hugging_face  # noqa: E402
from training.__main__ import app  # noqa: E402
from training.commands import with_torch  # noqa: E402
from training.corpora.packages import Source  # noqa: E402
from training.language_model.texts import FREQUENCIES, STYLES  # noqa: E402
from training.model.network import Network, NetworkConfig  # noqa: E402
from training.recipe import BEAM, BLENDS, CORPORA, EVALUATION_SETS, HELD_OUT_BOOKS, SPOKEN_TEXTS  # noqa: E402
from training.synthesis.espeak import Espeak  # noqa: E402

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
    spoken = {name for style in SPOKEN_TEXTS for name in style.files}
    for name in sorted(names | spoken):
        lines = [f"{first} और {second} यहाँ है।" for first in WORDS for second in WORDS]
        (folder / "text" / name).write_text("\n".join(lines), encoding="utf-8")
    (folder / "text" / FREQUENCIES).write_text("घर\t3\nनदी\t2\n", encoding="utf-8")
    return folder


def write_whisper(path: Path) -> None:
    """A tiny encoder in Hugging Face's layout."""
    torch.manual_seed(1)
    encoder = Network(NetworkConfig(3, 3, **TINY)).encoder
    torch.save(hugging_face(encoder), path)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder whose packages are there: a tiny Whisper and a synthesiser that hums."""
    folder = tmp_path / "work"
    write_toy(folder / "packages")
    write_whisper(folder / "packages" / "whisper-base.bin")

    def is_whole(source: Source, packages: Path) -> bool:
        return source.path(packages).exists()

    monkeypatch.setattr(Source, "is_whole", is_whole)
    monkeypatch.setattr(with_torch, "SHAPE", TINY)
    return folder


def test_one_command_makes_a_tuned_and_measured_model_and_goes_on_where_it_stopped(
    corpora: Path, work: Path, tmp_path: Path
) -> None:
    out = tmp_path / "models" / "toy"
    arguments = [
        "all", "--work", work, "--speech-dir", corpora, "--out", out, "--hours", 0.001,
        "--hours-espeak", 0.02, "--updates", 2, "--batch-seconds", 8, "--refit-updates", 2,
        "--refit-batch-seconds", 8, "--threads", 1, "--processes", 1, "--trials", 2, "--sample",
        corpora / "cv-hi" / "manifest-0.wav",
    ]  # fmt: skip
    made = runner.invoke(app, [str(a) for a in arguments])
    assert made.exit_code == 0, made.output
    folder = ModelFolder.load(out)
    folder.verify_hashes()
    entries = read_description(out)
    measured = {(entry["set"], entry["decoder"]) for entry in entries["evaluation"]}
    assert measured == {(chosen.name, name) for chosen in EVALUATION_SETS for name in ("greedy", "beam")}
    assert entries["decoding"]["tuned"]["set"] == " and ".join(chosen.name for chosen in EVALUATION_SETS)
    assert (entries["decoding"]["beam"], entries["precision"]) == (BEAM, "int8")
    assert entries["check"]["clip"] == "manifest-0.wav"
    steps = entries["training"]["steps"]
    assert [step["step"] for step in steps] == ["start", "train", *["blend", "refit"] * len(BLENDS), "mean"]
    assert any(line.startswith("Kokoro") for line in entries["training"]["data"])
    assert Engine.load(out).decoder_name == "beam"

    kept = [work / "train" / "checkpoint.pt", work / "blend-0.5.pt", work / "kokoro" / "manifest.tsv",
            work / "store" / "index.tsv", work / "lm" / "words.arpa.gz"]  # fmt: skip
    before = [path.stat().st_mtime_ns for path in kept]
    (work / "mean.pt").unlink()
    made = runner.invoke(app, [str(a) for a in arguments])
    assert made.exit_code == 0, made.output
    assert [path.stat().st_mtime_ns for path in kept] == before
    ModelFolder.load(out).verify_hashes()
    assert not [check for check in folder.path.parent.iterdir() if check.name != "toy"]
