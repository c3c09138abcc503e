"""Check a model folder against its model.json. Each check reports what it found."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from shrutlekh_contract.model_card import CTC, FLOAT16

from modelkit.description import read_description, write_description
from modelkit.measuring.evaluation import transcribe
from speech import GRAPHS, Engine, ModelFolder, SpeechError, sha256
from speech.decoding import WordEmission
from speech.recognisers import CtcRecogniser, Recogniser, as_ctc, load_recogniser

TOLERANCE = 1e-3
"""Largest difference of log-probabilities between an utterance alone and padded in a batch."""

TOLERANCES = {FLOAT16: 0.05}
"""The same for precisions that round more."""


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of a check. `passed` is None if the data for the check is missing."""

    name: str
    passed: bool | None
    found: str


def verify(folder: Path, samples: Path) -> Iterator[Check]:
    """Check a model folder step by step. Stops at a failure if the next steps depend on it.

    Args:
        samples: folder of the clip that "check" in model.json names.
    """
    try:
        model = ModelFolder.load(folder)
    except SpeechError as error:
        yield Check("description", False, error.message)
        return
    tokens = f", {len(model.tokens)} tokens" if model.tokens else ""
    yield Check("description", True, f"{model.name}: {model.family}{tokens}")
    absent = [name for name in needed_files(model) if name not in model.files]
    if absent:
        yield Check("hashes", False, f"model.json lacks the sha256 of {', '.join(absent)}.")
        return
    try:
        model.verify_hashes()
        recognisers = {precision: load_recogniser(model, 1, precision) for precision in precisions(model)}
    except SpeechError as error:
        yield Check("files", False, error.message)
        return
    yield Check(
        "files",
        True,
        f"{len(model.files)} as described; {' and '.join(recognisers)}: inputs and outputs as they must be",
    )
    try:
        for precision, recogniser in recognisers.items():
            for check in check_recogniser(model, recogniser, TOLERANCES.get(precision, TOLERANCE)):
                yield replace(check, found=f"{precision}: {check.found}")
        engine = Engine(model, recognisers[model.precision])
        yield check_clip(engine, read_description(folder).get("check"), samples)
    except SpeechError as error:
        yield Check("run", False, error.message)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime keeps its exception types private
        yield Check("run", False, f"A graph fails: {error}")


def needed_files(model: ModelFolder) -> tuple[str, ...]:
    """Return the files that every model of the family has."""
    return ("model.onnx", "tokens.txt") if model.family == CTC else ("model.bin", "config.json")


def check_recogniser(model: ModelFolder, recogniser: Recogniser[Any], tolerance: float) -> list[Check]:
    """Run all checks that suit what the model gives."""
    if isinstance(recogniser, CtcRecogniser):
        return [check_shapes(model, recogniser), check_padding(model, recogniser, tolerance)]
    return [check_batch(model, recogniser)]


def check_batch(model: ModelFolder, recogniser: Recogniser[WordEmission]) -> Check:
    """Check that a waveform gives the same words alone and in a batch, at possible times."""
    seconds = (0.1, 1.0, 3.0)
    waveforms = noise(model, [round(each * model.sample_rate) for each in seconds])
    for waveform, found in zip(waveforms, recogniser.emissions(waveforms), strict=True):
        (alone,) = recogniser.emissions([waveform])
        if alone.heard.texts != found.heard.texts:
            return Check("batch", False, f"{alone.heard.texts} alone, {found.heard.texts} in a batch.")
        if (found.heard.lasts <= found.heard.firsts).any():
            return Check("batch", False, "A word has no length.")
    return Check("batch", True, f"{len(waveforms)} waveforms give the same words alone and in a batch")


def precisions(model: ModelFolder) -> list[str]:
    """Return the precisions of the graphs in the folder, and the default one even if its graph is missing.

    Whisper's weights have any precision: only the one that is used is checked."""
    if model.family != CTC:
        return [model.precision]
    found = [precision for precision, name in GRAPHS.items() if name in model.files]
    return list(dict.fromkeys([*found, model.precision]))


def check_shapes(model: ModelFolder, recogniser: CtcRecogniser) -> Check:
    """Check that the number of frames follows from the frame stride, and that each row is a distribution."""
    seconds = 3.0
    probe = noise(model, [model.min_samples, int(seconds * model.sample_rate)])
    shortest, longer = recogniser.log_probs(probe)
    expected = seconds / model.frame_stride
    sums = np.exp(longer.astype(np.float64)).sum(axis=1)
    if len(shortest) < 1:
        return Check("shapes", False, f"{model.min_samples} samples (min_samples) give no frame.")
    if abs(len(longer) - expected) > 4:
        return Check(
            "shapes", False, f"{seconds} s give {len(longer)} frames, about {expected:.0f} expected."
        )
    if np.abs(sums - 1.0).max() > TOLERANCE:
        return Check("shapes", False, f"probabilities of a frame add up to {sums.max():.3f}, not 1.")
    return Check(
        "shapes", True, f"{len(longer)} frames of {longer.shape[1]} log-probabilities for {seconds} s"
    )


def check_padding(model: ModelFolder, recogniser: CtcRecogniser, tolerance: float = TOLERANCE) -> Check:
    """Check that an utterance gives the same log-probabilities alone and padded beside a longer one."""
    rate = model.sample_rate
    longest = int(min(8.0, model.max_segment_seconds) * rate)
    waveforms = noise(model, [model.min_samples, rate // 3, rate + 77, 3 * rate - 1, longest])
    together = recogniser.log_probs(waveforms)
    worst = 0.0
    for waveform, padded in zip(waveforms, together, strict=True):
        alone = recogniser.log_probs([waveform])[0]
        if alone.shape != padded.shape:
            return Check("padding", False, f"{len(alone)} frames alone, {len(padded)} in a batch.")
        worst = max(worst, float(np.abs(alone - padded).max()))
    return Check("padding", worst <= tolerance, f"alone and padded differ by {worst:.1e} at most")


def pads_well(folder: Path) -> bool:
    """Tell whether the graph of a folder passes `check_padding` when it runs batches.

    Raises:
        SpeechError: the folder is invalid.
    """
    model = ModelFolder.load(folder).model_copy(update={"batched": True})
    return check_padding(model, as_ctc(load_recogniser(model))).passed is True


def check_clip(engine: Engine, expected: dict[str, Any] | None, samples: Path) -> Check:
    """Check that the clip named in model.json gives the recorded text."""
    if not expected:
        return Check("clip", None, "model.json names no clip for this check.")
    clip = samples / expected["clip"]
    if not clip.is_file():
        return Check("clip", None, f"{clip} does not exist.")
    if sha256(clip) != expected["sha256"]:
        return Check("clip", False, f"{clip} is not the recording that model.json describes.")
    text, _ = transcribe(engine, clip)
    if text != expected["text"]:
        return Check("clip", False, f"{clip.name} gives {text!r}, model.json says {expected['text']!r}.")
    return Check("clip", True, f"{clip.name}: {text}")


def record_check(folder: Path, clip: Path) -> None:
    """Record the clip's name, digest and current text in model.json, for `check_clip`."""
    text, _ = transcribe(Engine.load(folder), clip)
    check = {"clip": clip.name, "sha256": sha256(clip), "text": text}
    write_description(folder, {**read_description(folder), "check": check})


def noise(model: ModelFolder, lengths: list[int]) -> list[np.ndarray]:
    """Make coloured noise that swells and fades, the same in every run."""
    rng = np.random.default_rng(0)
    made = []
    for length in lengths:
        steps = np.arange(length) / model.sample_rate
        swell = 0.05 * (1.1 + np.sin(2 * np.pi * 3.0 * steps))
        made.append(
            (np.convolve(rng.standard_normal(length), [1, 0.9, 0.5], "same") * swell).astype(np.float32)
        )
    return made
