"""The shipped model is no worse than ``accuracy.json`` says. That file's figures only ever go down.

They are those of the float32 graph on one thread, whose texts are the same on every processor. Those of the
8-bit graph differ by a word in a hundred from one kind of processor to another, so it has a margin.
"""

import json
from pathlib import Path

import pytest
from shrutlekh_contract.model_card import FLOAT32, INT8

from modelkit.measuring.evaluation import rate, score_model
from modelkit.measuring.manifest import read_manifest
from speech import Engine
from tests.conftest import MODEL, ROOT

WORST = json.loads((Path(__file__).parent / "accuracy.json").read_text(encoding="utf-8"))
MARGINS = {FLOAT32: 0.0, INT8: 0.03}


@pytest.mark.parametrize("precision", MARGINS)
@pytest.mark.parametrize("decoder", WORST["decoders"])
def test_the_default_model_on_real_voices(speech_dir: Path, decoder: str, precision: str) -> None:
    entries = read_manifest(speech_dir / WORST["manifest"])
    engine = Engine.load(ROOT / "models" / MODEL, threads=1, precision=precision, decoder=decoder)
    results = score_model(engine, entries, lambda: None)
    worst, margin = WORST["decoders"][decoder], MARGINS[precision]
    assert rate([result.words for result in results]).value <= worst["wer"] + margin
    assert rate([result.characters for result in results]).value <= worst["cer"] + margin


def test_the_figures_are_those_of_the_model_that_is_shipped() -> None:
    """A better model brings better figures along, or they would not go down."""
    card = json.loads((ROOT / "models" / MODEL / "model.json").read_text(encoding="utf-8"))
    measured = {entry["decoder"]: entry for entry in card["evaluation"] if entry["set"] == WORST["set"]}
    assert measured.keys() == WORST["decoders"].keys()
    margin = MARGINS[card["precision"]]
    for decoder, worst in WORST["decoders"].items():
        for name in ("wer", "cer"):
            assert measured[decoder][name] - margin <= worst[name] <= measured[decoder][name] + margin + 0.005
