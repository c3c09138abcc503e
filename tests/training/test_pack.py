"""Packing the recipe's corpora, and reading the parts as `prepare` does."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from modelkit.measuring.manifest import read_manifest
from training import recipe
from training.__main__ import app
from training.corpora.prepare import Sources, gather

COLUMNS = ("path", "text", "seconds", "speaker", "language")
CLIPS = {
    "reader-hi/pages.tsv": [
        ("pages/a.flac", "यह घर है", "Book", "hi"),
        ("pages/b.flac", "वह घर है", recipe.HELD_OUT_BOOKS[0], "hi"),
    ],
    "cv-multilingual/manifest.tsv": [
        ("clips/c.flac", "ਉਹ ਘਰ", "x", "pa-IN"),
        ("clips/d.flac", "x", "x", "ja"),
    ],
    "other/ml-msc/manifest.tsv": [("e.flac", "മരം", "x", "ml")],
    "kokoro-hi/manifest.tsv": [("clips/g.opus", "नदी बहती है", "hf_alpha", "hi")],
    "cv-hi/manifest.tsv": [("clips/f.flac", "कल आना", "x", "hi")],
}


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A speech folder with a clip or two of noise in some of the recipe's corpora."""
    folder = tmp_path / "speech"
    rng = np.random.default_rng(0)
    for manifest in {c.manifest for c in recipe.CORPORA} | set(CLIPS):
        path = folder / manifest
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, delimiter="\t")
            writer.writerow(COLUMNS)
            for name, text, speaker, language in CLIPS.get(manifest, []):
                writer.writerow([name, text, "1.0", speaker, language])
                (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
                samples = rng.normal(0, 0.1, 24000).astype(np.float32)
                options = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {}
                soundfile.write(path.parent / name, samples, 24000, **options)
    (folder / "text").mkdir()
    for name in (name for style in recipe.SPOKEN_TEXTS for name in style.files):
        (folder / "text" / name).write_text("यह बड़ा है।\n", encoding="utf-8")
    return folder


def test_the_parts_are_a_smaller_speech_folder(speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    arguments = [
        "pack", "--speech-dir", speech, "--out", out, "--part-mebibytes", 0.06, "--processes", 1, "--without",
        "other/ml-msc",
    ]  # fmt: skip
    packed = CliRunner().invoke(app, [str(a) for a in arguments])
    assert packed.exit_code == 0, packed.output
    parts = sorted(out.iterdir())
    assert len(parts) > 1
    for part in parts:
        files = [p for p in part.rglob("*") if p.is_file()]
        assert sum(p.stat().st_size for p in files) < 0.06 * 2**20 or len(files) == 1
        shutil.copytree(part, tmp_path / "there", dirs_exist_ok=True)

    tasks = gather(Sources.of_recipe(tmp_path / "there"), 1.0)
    real = {t.text: t for t in tasks if t.path}
    assert {text: t.split for text, t in real.items()} == {
        "यह घर है": "train", "वह घर है": "held-out", "ਉਹ ਘਰ": "train", "नदी बहती है": "train",
    }  # fmt: skip
    coded = soundfile.info(real["यह घर है"].path)
    assert (coded.subtype, coded.samplerate, coded.channels) == ("OPUS", 16000, 1)
    assert coded.duration == pytest.approx(1.0, abs=0.02)
    for manifest in ("reader-hi/pages.tsv", "cv-hi/manifest.tsv"):
        kept = read_manifest(tmp_path / "there" / manifest)[-1].path
        assert kept.read_bytes() == (speech / kept.relative_to(tmp_path / "there")).read_bytes()
