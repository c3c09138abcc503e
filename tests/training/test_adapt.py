"""`shrutlekh train` from recordings of real people to an installed model, stopped and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT, require
from tests.speech.language_models import write_language_model
from tests.training.conftest import PHONES, TINY, WRITTEN

require("torch")
require("flashlight")

import torch  # noqa: E402

from modelkit import read_description, read_manifest, write_description  # noqa: E402
from modelkit.graphs.quantisation import quantise  # noqa: E402
from modelkit.verification import verify  # noqa: E402
from speech import Engine  # noqa: E402
from tests.training.test_everything import write_whisper  # noqa: E402
from training.__main__ import app  # noqa: E402
from training.adaptation.amount import settings_of  # noqa: E402
from training.adaptation.figures import Comparison  # noqa: E402
from training.commands import adaptation, with_torch  # noqa: E402
from training.corpora.packages import Source  # noqa: E402
from training.corpora.store import Store, Symbols  # noqa: E402
from training.model.export import write_folder  # noqa: E402
from training.model.network import Network, NetworkConfig  # noqa: E402
from training.recipe import HELD_OUT_BOOKS  # noqa: E402
from training.run.schedule import REFIT  # noqa: E402

runner = CliRunner()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a tiny network, its 8-bit graph and a language model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    network = Network(NetworkConfig(len(PHONES), len(WRITTEN), **TINY))
    with torch.no_grad():
        for weight in network.parameters():  # the exporter writes equal weights only once
            weight.add_(torch.randn_like(weight) * 0.05)
    entries = {"max_segment_seconds": 16.0, "licence": "CC0-1.0", "detector": "energy"}
    write_folder(network, Symbols(PHONES, WRITTEN, {}), folder, entries)
    write_language_model(folder / "lm")
    quantise(folder)
    decoding = {"decoder": "beam", "beam": 20, "alpha": 1.5, "tuned": {"set": "another"}}
    write_description(folder, {**read_description(folder), "decoding": decoding, "precision": "int8"})
    return folder.parent


@pytest.fixture(scope="module")
def manifest(speech_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short pages of five books that the default model was trained on, the book as speaker."""
    pages = speech_dir / "reader-hi" / "pages.tsv"
    books: dict[str, list[str]] = {}
    for entry in read_manifest(pages):
        if entry.speaker not in HELD_OUT_BOOKS and entry.path.stat().st_size < 80_000:
            books.setdefault(entry.speaker, []).append(f"{entry.path}\t{entry.text}\t{entry.speaker}")
    chosen = [row for rows in list(books.values())[:5] for row in rows[:3]]
    assert len(chosen) > 10
    path = tmp_path_factory.mktemp("mine") / "train.tsv"
    path.write_text("\n".join(["path\ttext\tspeaker", *chosen]) + "\n", encoding="utf-8")
    return path


def arguments(manifest: Path, models: Path, work: Path, *more: object) -> list[str]:
    given = [
        "--manifest", manifest, "--model", models / "tiny", "--models", models, "--work", work,
        "--name", "mine", "--batch-seconds", 8, "--threads", 1, "--processes", 1, "--device", "cpu",
    ]  # fmt: skip
    return [str(one) for one in (*given, *more)]


def test_a_stopped_training_goes_on_and_gives_an_installed_model(
    manifest: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, target = tmp_path / "work", models / "mine"
    command = [sys.executable, "-m", "ops", "train", *arguments(manifest, models, work, "--updates", 90_000)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if line.startswith("update 0: mine, held-out speakers, greedy: WER"):
                while process.poll() is None and not (work / "run" / "loss.tsv").exists():
                    time.sleep(0.05)
                process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130, "".join(shown)
    assert "resumes from there" in shown[-1]
    assert "the heads only" in "".join(shown)
    assert not target.exists()
    updates = int(shown[-1].split()[2])

    command = ["adapt", *arguments(manifest, models, work, "--updates", updates + 2)]
    with monkeypatch.context() as patch:
        patch.setattr(Comparison, "is_better", property(lambda _: False))
        made = runner.invoke(app, command)
    assert made.exit_code == 1, made.output
    assert "mine makes more errors than tiny, so it was not installed" in made.output
    assert made.output.count("WER") >= 4
    assert not target.exists()
    made = runner.invoke(app, [*command, "--force"])
    assert made.exit_code == 0, made.output
    assert "On mine, held-out speakers" in made.output
    assert "model=mine" in made.output
    card, start = read_description(target), read_description(models / "tiny")
    steps = card["training"]["steps"]
    assert [step["step"] for step in steps] == ["start", "refit"]
    assert steps[-1]["updates"] == updates + 2
    assert [check.passed for check in verify(target, ROOT / "samples")].count(False) == 0
    assert (card["precision"], card["detector"], card["licence"]) == ("int8", "energy", "CC0-1.0")
    assert card["decoding"] == {"decoder": "beam", "beam": 20, "alpha": 1.5}
    assert {one["decoder"] for one in card["evaluation"]} == {"greedy", "beam"}
    base = card["training"]["base"]
    assert (base["model"], base["sha256"]) == ("tiny", start["files"]["model.onnx"])
    assert [one["set"] for one in base["evaluation"]] == ["mine, held-out speakers"] * 2
    assert card["training"]["data"][0].startswith("mine")
    assert list(target.glob(".model*.onnx"))
    with Engine.load(target).transcribe(ROOT / "samples" / "namaste.wav") as transcription:
        list(transcription.segments())

    plan = json.loads((work / "plan.json").read_text(encoding="utf-8"))["plan"]
    trained_on = Store(work / "store").clips
    assert len(trained_on) <= plan["clips"]
    assert not {clip.speaker for clip in trained_on} & set(plan["held_out_speakers"])
    assert (work / "run" / "loss.png").stat().st_size > 1000

    kept = [work / "run" / "checkpoint.pt", work / "store" / "index.tsv", work / "figures.json",
            target / "model.onnx"]  # fmt: skip
    before = [path.stat().st_mtime_ns for path in kept]
    again = runner.invoke(app, command)
    assert again.exit_code == 0, again.output
    assert "already installed" in again.output
    assert [path.stat().st_mtime_ns for path in kept] == before


def test_from_whisper_without_a_model_to_compare_with(
    manifest: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    (work / "packages").mkdir(parents=True)
    write_whisper(work / "packages" / "whisper-base.bin")
    monkeypatch.setattr(Source, "is_whole", lambda source, folder: True)
    monkeypatch.setattr(with_torch, "SHAPE", TINY)
    line = arguments(manifest, models, work, "--from-scratch", "--updates", 2, "--name", "whole")
    more = ["--model", "none", "--speech-dir", str(tmp_path / "none"), "--no-install"]
    made = runner.invoke(app, ["adapt", *line, *more])
    assert made.exit_code == 0, made.output
    assert "Whisper's encoder, all weights" in made.output
    assert "Not installed (--no-install)" in made.output
    card = read_description(work / "made" / "whole")
    assert [step["step"] for step in card["training"]["steps"]] == ["start", "train"]
    assert "base" not in card["training"]
    assert [one["decoder"] for one in card["evaluation"]] == ["greedy"]
    assert not (models / "whole").exists()


def test_the_decoder_of_jobs_decides() -> None:
    def of(greedy: float, beam: float) -> list[dict[str, object]]:
        return [{"decoder": "greedy", "wer": greedy}, {"decoder": "beam", "wer": beam}]

    assert Comparison(of(0.4, 0.3), of(0.5, 0.3), "beam").is_better
    assert not Comparison(of(0.4, 0.3), of(0.2, 0.31), "beam").is_better
    assert Comparison([], of(0.9, 0.9), "beam").is_better


def test_little_audio_trains_the_heads_and_much_the_encoder_too() -> None:
    short = settings_of(1000.0, True, False, False, {"minutes": 1.0, "updates": None})
    assert (short.freeze_encoder, short.updates, short.held_out_seconds) == (True, 250, 15.0)
    assert settings_of(10.0, True, False, False, {}).updates == 100
    assert settings_of(1e6, True, False, False, {}).updates == REFIT.updates
    long = settings_of(36_000.0, False, False, True, {})
    assert (long.freeze_encoder, long.updates, long.encoder_rate) == (False, 1125, 1e-4)
    assert replace(long, encoder_rate=2e-5) == settings_of(
        36_000.0, False, False, True, {"encoder_rate": 2e-5}
    )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "Give --manifest or --common-voice"),
        (["--manifest", "none.tsv"], "none.tsv does not exist"),
        (["--manifest", "none.tsv", "--name", "../x"], "--name"),
        (["--manifest", "none.tsv", "--model", "none"], "There is no model in"),
        (["--common-voice", "none"], "is not a folder of Common Voice"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_started(
    models: Path, tmp_path: Path, more: list[str], told: str
) -> None:
    line = [
        "adapt",
        "--work",
        str(tmp_path / "work"),
        "--models",
        str(models),
        "--model",
        str(models / "tiny"),
    ]
    made = runner.invoke(app, [*line, *more])
    assert made.exit_code == 2
    assert told in " ".join(made.output.replace("│", " ").split())
    assert not (tmp_path / "work" / "store").exists()


def test_a_plan_is_printed_and_nothing_else_done(manifest: Path, models: Path, tmp_path: Path) -> None:
    made = runner.invoke(app, ["adapt", *arguments(manifest, models, tmp_path / "work", "--dry-run")])
    assert made.exit_code == 0, made.output
    for told in ("Train on", "Measure on mine, held-out speakers", "the speakers", "the heads only"):
        assert told in made.output
    assert not (tmp_path / "work").exists()


def test_an_installed_model_of_that_name_is_not_replaced(
    manifest: Path, models: Path, tmp_path: Path
) -> None:
    line = arguments(manifest, models, tmp_path / "work", "--name", "tiny")
    made = runner.invoke(app, ["adapt", *line])
    assert made.exit_code == 2
    assert "--force" in made.output
    assert not (tmp_path / "work" / "store").exists()


def test_without_espeak_it_says_what_to_install(
    manifest: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptation.espeak, "is_available", lambda: False)
    made = runner.invoke(app, ["adapt", *arguments(manifest, models, tmp_path / "work")])
    assert made.exit_code == 2
    assert "espeakng-loader" in made.output
