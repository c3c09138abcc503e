"""The commands one after another, on a manifest of one's own."""

import csv
import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT, require
from tests.speech.sounds import write_wav
from tests.training.conftest import PHONES, TINY, WRITTEN

require("torch")

import torch  # noqa: E402

from speech import ModelFolder  # noqa: E402
from training.__main__ import app  # noqa: E402
from training.corpora.store import Store, Symbols  # noqa: E402
from training.model.checkpoint import read_weights  # noqa: E402
from training.model.export import write_folder  # noqa: E402
from training.model.network import Network, NetworkConfig  # noqa: E402
from training.synthesis.espeak import Espeak  # noqa: E402
from training.text.phones import phones_of  # noqa: E402

runner = CliRunner()


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    if ctypes.util.find_library("espeak-ng") is None and not os.environ.get("CI"):
        pytest.skip("the library espeak-ng is missing")
    return Espeak()


def invoke(*arguments: object) -> str:
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_espeak_speaks_and_reads_phones(espeak: Espeak) -> None:
    assert espeak.set_voice("hi")
    assert phones_of(espeak.ipa("हूँ")) == ["h", "u", "\u0303"]
    slow, fast = espeak.synthesise("नमस्ते", rate=100), espeak.synthesise("नमस्ते", rate=220)
    assert len(slow) > 1.3 * len(fast) > 0
    assert abs(int(slow.max())) > 1000


def test_every_command_says_what_it_does() -> None:
    names = (
        "all", "fetch", "speak", "prepare", "pack", "train", "refit", "blend", "mean", "export", "evaluate",
        "language-model",
    )  # fmt: skip
    shown = invoke("--help")
    for name in names:
        assert name in shown
        assert "Usage" in invoke(name, "--help")


def test_from_a_manifest_and_a_model_to_a_model(espeak: Espeak, tmp_path: Path) -> None:
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
    work, model, start = tmp_path / "work", tmp_path / "models" / "mine", tmp_path / "start"
    invoke(
        "prepare", "--no-recipe", "--work", work, "--manifest", tmp_path / "manifest.tsv", "--text",
        tmp_path / "text.txt", "--hold-out", "kept", "--hours-espeak", 1, "--processes", 1,
    )  # fmt: skip
    clips = Store(work / "store").clips
    assert sorted((c.split, c.group, c.source, c.text) for c in clips) == [
        ("held-out", "hindi", tmp_path.name, "यह मत सीखो"),
        ("train", "espeak", "espeak-ng", "यह घर बड़ा है"),
        ("train", "hindi", tmp_path.name, "एक दो तीन"),
        ("train", "hindi", tmp_path.name, "चार पाँच छह"),
    ]
    assert all(c.phones for c in clips)
    assert "--again" in invoke("prepare", "--work", work)

    torch.manual_seed(0)
    network = Network(NetworkConfig(len(PHONES), len(WRITTEN), **TINY))
    with torch.no_grad():
        for weight in network.parameters():  # the exporter writes equal weights only once
            weight.add_(torch.randn_like(weight) * 0.05)
    write_folder(network, Symbols(PHONES, WRITTEN, {}), start, {"max_segment_seconds": 16.0})
    refit = ["refit", "--work", work, "--start", start, "--threads", 1, "--batch-seconds", 8]
    shown = invoke(*refit, "--updates", 2, "--speech-dir", tmp_path)
    assert "यह मत सीखो =>" in shown
    assert (work / "refit" / "loss.png").stat().st_size > 1000
    assert read_weights(work / "refit").steps[-1]["updates"] == 2
    invoke(*refit, "--updates", 3, "--speech-dir", tmp_path)
    assert read_weights(work / "refit").steps[-1]["updates"] == 3
    shares = ["--of", work / "refit", "--of", start, "--share", 2, "--share", 1]
    invoke("mean", *shares, "--out", work / "mean.pt")
    assert runner.invoke(app, ["mean", *(str(a) for a in shares[:6]), "--out", "x"]).exit_code == 2

    invoke("export", "--work", work, "--out", model)
    folder = ModelFolder.load(model)
    folder.verify_hashes()
    assert folder.name == "mine"
    assert [step["step"] for step in folder.training["steps"]] == ["start", "refit", "mean"]
    assert [line.split(",")[0] for line in folder.training["data"]] == [tmp_path.name, "espeak-ng"]
    assert folder.max_segment_seconds == 16.0


def test_without_packages_the_error_says_what_to_run(tmp_path: Path) -> None:
    result = runner.invoke(app, ["speak", "--work", str(tmp_path), "--speech-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "fetch" in result.output


def test_without_torch_help_works_and_the_error_names_the_extra() -> None:
    program = "import sys; sys.modules['torch'] = None; from training.__main__ import app; app({})"
    for arguments, status in ((["train", "--help"], 0), (["refit", "--start", "x"], 1)):
        line = [sys.executable, "-c", program.format(arguments)]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, done.stderr
    assert "torch is not installed" in done.stderr
    assert "[train]" in done.stderr
    assert "Traceback" not in done.stderr
