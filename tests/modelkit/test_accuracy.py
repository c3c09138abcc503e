"""The shipped model is no worse than ``accuracy.json`` says. That file's figures only ever go down."""

import json
from pathlib import Path

import pytest

from modelkit.evaluation import rate, score_model
from modelkit.manifest import read_manifest
from speech.engine import Engine
from tests.conftest import MODEL, ROOT

WORST = json.loads((Path(__file__).parent / "accuracy.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("decoder", WORST["decoders"])
def test_the_default_model_on_real_voices(speech_dir: Path, decoder: str) -> None:
    entries = read_manifest(speech_dir / WORST["manifest"])
    engine = Engine.load(ROOT / "models" / MODEL, decoder=decoder)
    results = score_model(engine, entries, lambda: None)
    worst = WORST["decoders"][decoder]
    assert rate([result.words for result in results]).value <= worst["wer"]
    assert rate([result.characters for result in results]).value <= worst["cer"]


def test_the_figures_are_those_of_the_model_that_is_shipped() -> None:
    """A better model brings better figures along, or they would not go down."""
    card = json.loads((ROOT / "models" / MODEL / "model.json").read_text(encoding="utf-8"))
    measured = {entry["decoder"]: entry for entry in card["evaluation"] if entry["set"] == WORST["set"]}
    assert measured.keys() == WORST["decoders"].keys()
    for decoder, worst in WORST["decoders"].items():
        for name in ("wer", "cer"):
            assert measured[decoder][name] <= worst[name] <= measured[decoder][name] + 0.005
