"""Models of every family, from a hub through the service: the texts are those of the original pipelines."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelkit.adding import Request, add
from speech import Engine
from tests.conftest import ROOT, require
from tests.modelkit.hub_double import running_hub
from tests.modelkit.notes import Notes
from tests.stack.conftest import Service, serving

require("torch")
require("transformers")

import torch  # noqa: E402

from tests.modelkit.nemo_checkpoints import checkpoint as nemo_checkpoint  # noqa: E402
from tests.modelkit.nemo_checkpoints import nemo_text  # noqa: E402
from tests.modelkit.small_checkpoints import KINDS, load_pipeline, make_checkpoint  # noqa: E402
from tests.modelkit.small_whisper import make_whisper, whisper_text  # noqa: E402

CLIP = ROOT / "samples" / "garden.wav"


@dataclass(frozen=True)
class Made:
    """A model that was added: its folder, and the original pipeline from a waveform to greedy text."""

    folder: Path
    original: Callable[[np.ndarray], str]


def transformers_text(checkpoint: Path) -> Callable[[np.ndarray], str]:
    processor, model = load_pipeline(checkpoint)

    def text(waveform: np.ndarray) -> str:
        inputs = processor(waveform, sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            logits = model(**inputs).logits
        (found,) = processor.batch_decode(logits.argmax(dim=-1), skip_special_tokens=True)
        return str(found)

    return text


Checkpoint = tuple[Path, Callable[[np.ndarray], str]]


def transformers_checkpoint(kind: str, folder: Path) -> Checkpoint:
    checkpoint = make_checkpoint(folder, kind)
    return checkpoint, transformers_text(checkpoint)


def nemo(name: str, folder: Path) -> Checkpoint:
    checkpoint = nemo_checkpoint(name, folder)
    return checkpoint, nemo_text(checkpoint, folder.parent / f"{name}-unpacked")


def whisper(_: str, folder: Path) -> Checkpoint:
    checkpoint = make_whisper(folder)
    return checkpoint, whisper_text(checkpoint)


CHECKPOINTS = {
    **dict.fromkeys(KINDS, transformers_checkpoint),
    "conformer_bpe": nemo,
    "fastconformer": nemo,
    "hybrid": nemo,
    "whisper": whisper,
}


def run(environment: dict[str, str], *arguments: str) -> str:
    """Run `shrutlekh models`. Returns what it says on standard error."""
    command = [sys.executable, "-m", "ops", "models", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """A small checkpoint of each architecture, added from a hub of this machine: one by the command, the
    others by what the command calls."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("families")
    models, found = folder / "models", {}
    with running_hub() as hub, pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("HF_ENDPOINT", hub.url),
            ("HF_HOME", str(folder / "hf")),
            ("NO_PROXY", "127.0.0.1"),
        ):
            patch.setenv(name, value)
        for number, (kind, make) in enumerate(CHECKPOINTS.items()):
            checkpoint, original = make(kind, folder / kind)
            hub.add(f"small/{kind}", checkpoint, licence="mit")
            if number:
                add(Request(f"small/{kind}", models), Notes())
            else:
                environment = {**os.environ, "SHRUTLEKH_MODELS_DIR": str(models)}
                assert "Licence: mit" in run(environment, "add", f"small/{kind}")
                run(environment, "verify", kind)
            found[kind] = Made(models / kind, original)
    return found


@pytest.fixture(scope="module")
def service(made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = next(iter(made.values())).folder.parent
    settings = {"SHRUTLEKH_MODELS_DIR": str(models), "SHRUTLEKH_DEFAULT_MODEL": next(iter(made))}
    with serving(tmp_path_factory.mktemp("service"), settings, "--workers", "1") as service:
        yield service


def segments_of(folder: Path) -> list[np.ndarray]:
    """The waveforms that the engine gives to a model."""
    engine = Engine.load(folder)
    kept: list[np.ndarray] = []
    run = engine.recogniser.emissions

    def emissions(waveforms: Sequence[np.ndarray]) -> Any:
        kept.extend(waveforms)
        return run(waveforms)

    engine.recogniser.emissions = emissions  # type: ignore[method-assign]
    with engine.transcribe(CLIP) as transcription:
        list(transcription)
    return kept


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_job_has_the_text_of_the_original_pipeline(
    kind: str, made: dict[str, Made], service: Service
) -> None:
    with CLIP.open("rb") as file:
        job = service.http.post("/v1/jobs", files={"file": file}, data={"model": kind}).json()
    job = service.http.get(f"/v1/jobs/{job['id']}", params={"wait": 60}).json()
    assert job["status"] == "succeeded", job
    text = service.http.get(f"/v1/jobs/{job['id']}/transcript", params={"format": "txt"}).text
    expected = " ".join(made[kind].original(waveform) for waveform in segments_of(made[kind].folder))
    assert expected
    assert text.split() == expected.split()
