"""Make an exported network a whole model folder, with what it takes over from the start model; install it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shrutlekh_contract.decoders import LANGUAGE_MODEL
from shrutlekh_contract.model_card import INT8

from modelkit import copy_folder, read_description, write_description
from modelkit.decoding.tuning import install_language_model
from modelkit.graphs.quantisation import quantise
from modelkit.verification import record_check, verify
from speech import GRAPHS, read_tokens
from training.adaptation.figures import Figures
from training.adaptation.request import TrainingRefused

TAKEN_OVER = ("decoding", "detector", "precision")
"""Entries of the start model's card that the trained model keeps. The weights of beam search still fit,
because the language model is the same and the network little changed; `modelkit tune` fits them again."""


def complete(made: Path, base: Path | None, check_clip: Path) -> None:
    """Add the language model, the decoder's settings and the 8-bit graph that the start model has.

    Nothing is taken over from a model with other tokens.

    Args:
        check_clip: recording for `modelkit verify`; recorded with its text if it exists.
    """
    if base is not None and read_tokens(base / "tokens.txt") == read_tokens(made / "tokens.txt"):
        if (base / GRAPHS[INT8]).is_file():
            quantise(made)
        if (base / LANGUAGE_MODEL).is_dir():
            install_language_model(base / LANGUAGE_MODEL, made)
        theirs = read_description(base)
        taken = {name: theirs[name] for name in TAKEN_OVER if name in theirs}
        if "decoding" in taken:
            taken["decoding"] = {key: value for key, value in taken["decoding"].items() if key != "tuned"}
        write_description(made, {**read_description(made), **taken})
    if check_clip.is_file():
        record_check(made, check_clip)


def describe(made: Path, figures: Figures, base: Mapping[str, Any] | None) -> None:
    """Record the model's figures, and as `training.base` its start model with figures on the same set."""
    entries = read_description(made)
    training = entries.get("training", {})
    if base is not None:
        training = {**training, "base": base}
    write_description(made, {**entries, "training": training, "evaluation": figures})


def is_installed(made: Path, target: Path) -> bool:
    """Return whether `target` has the graph and the figures of `made`."""
    if not all((folder / "model.json").is_file() for folder in (made, target)):
        return False
    one, other = read_description(made), read_description(target)
    return all(one.get(key) == other.get(key) for key in ("files", "training", "evaluation"))


def install(made: Path, target: Path, samples: Path, say: Callable[[str], None]) -> None:
    """Verify a folder, copy it to `target` atomically, and optimise its graphs there.

    Raises:
        TrainingRefused: a check failed. Nothing is installed.
    """
    from modelkit.graphs.optimisation import optimise

    failed = []
    for check in verify(made, samples):
        if check.passed is False:
            failed.append(f"{check.name}: {check.found}")
        say(f"{'FAILED ' if check.passed is False else ''}{check.name}: {check.found}")
    if failed:
        raise TrainingRefused(f"{made} is not a valid model, so it was not installed. {' '.join(failed)}")
    copy_folder(made, target)
    try:
        for graph in optimise(target):
            say(f"optimised {graph.precision}: log-probabilities differ by {graph.difference:.1e} at most")
    except ValueError as error:  # the graph runs as it is
        say(f"not optimised: {error}")
