"""NeMo's archives become model folders that give what NeMo itself gives: log-probabilities and texts."""

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelkit import write_description
from modelkit.adding import Request, add
from modelkit.errors import ArchiveUnsafe, FamilyUnsupported, ModelkitError, SourceInvalid, WeightsUnsafe
from modelkit.families import Listing, Wishes
from modelkit.families.nemo import FAMILY
from modelkit.families.nemo.family import CONFIG, WEIGHTS
from modelkit.verification import verify
from speech import Engine, ModelFolder
from speech.decoding import GreedyDecoder
from speech.recognisers import as_ctc, load_recogniser
from tests.conftest import ROOT, require
from tests.modelkit.hub_double import HubDouble
from tests.modelkit.nemo_checkpoints import (
    FIXTURES,
    checkpoint,
    multisoftmax,
    reconfigured,
    rewritten,
)
from tests.modelkit.nemo_waveforms import LENGTHS, waveform
from tests.modelkit.notes import Notes

require("torch")

import torch  # noqa: E402

MODELS = ("conformer_bpe", "conformer_char", "fastconformer", "hybrid", "indic")


@pytest.fixture(scope="module", params=MODELS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of a checkpoint, and its model folder."""
    torch.set_num_threads(1)
    work = tmp_path_factory.mktemp(request.param)
    source = checkpoint(request.param, work / "source")
    if request.param == "indic":
        reconfigured(source, multisoftmax)
    target = work / "made"
    target.mkdir()
    entries = FAMILY.convert(source, target, Wishes("mr" if request.param == "indic" else "hi"))
    write_description(target, {"format": 1, "name": request.param, **entries})
    return request.param, target


def test_log_probabilities_and_texts_are_those_of_nemo(made: tuple[str, Path]) -> None:
    name, folder = made
    model = ModelFolder.load(folder)
    waveforms = [
        (waveform(samples, seed) / 32_768).astype(np.float32) for seed, samples in enumerate(LENGTHS)
    ]
    recogniser = as_ctc(load_recogniser(model))
    expected = np.load(FIXTURES / f"{name}.npz")
    decoder = GreedyDecoder.of_model(model)
    for number, padded in enumerate(recogniser.log_probs(waveforms)):
        (alone,) = recogniser.log_probs([waveforms[number]])
        for found in (alone, padded):
            np.testing.assert_allclose(found, expected[f"log_probs_{number}"], atol=1e-3)
        text = " ".join(word.text for word in decoder.words(alone))
        assert text.split() == str(expected[f"text_{number}"]).replace("⁇", "").split()
    assert any(str(expected[f"text_{number}"]) for number in range(len(LENGTHS)))


def test_the_folder_verifies_and_says_how_near_it_is(made: tuple[str, Path]) -> None:
    name, folder = made
    assert [check.found for check in verify(folder, folder) if check.passed is False] == []
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert card["conversion"]["greedy_equal"]
    assert card["conversion"]["max_difference"] < 1e-3
    assert card["conversion"]["padding_difference"] < 1e-3
    assert card["frame_stride"] == (0.08 if name in ("fastconformer", "hybrid") else 0.04)
    assert card["batched"]


def test_an_archive_of_a_hub_is_added_and_transcribes(hub: HubDouble, tmp_path: Path) -> None:
    source = checkpoint("fastconformer", tmp_path / "source")
    (source / "README.md").write_text("A model.", encoding="utf-8")
    hub.add("org/fastconformer", source, licence="cc-by-4.0")
    notes = Notes()
    folder = add(Request("org/fastconformer", tmp_path / "models"), notes)
    assert "Licence: cc-by-4.0" in notes.sentences
    with Engine.load(folder).transcribe(ROOT / "samples" / "rain.wav") as transcription:
        assert [segment.text for segment in transcription.segments()]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["fastconformer"]


def test_an_archive_may_lie_in_a_folder_of_its_repository(tmp_path: Path) -> None:
    checkpoint("fastconformer", tmp_path / "source" / "models")
    (tmp_path / "made").mkdir()
    assert FAMILY.wanted(Listing({"models/fastconformer.nemo": 1})) == ["models/fastconformer.nemo"]
    FAMILY.convert(tmp_path / "source", tmp_path / "made", Wishes())
    assert (tmp_path / "made" / "model.onnx").is_file()


def test_an_unpacked_archive_is_the_same(tmp_path: Path) -> None:
    from modelkit.sources.archives import extract_members

    extract_members(FIXTURES / "fastconformer.nemo", tmp_path / "unpacked", lambda _: True, 2**20)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "unpacked").iterdir()}
    wanted = FAMILY.wanted(Listing(sizes))
    assert wanted is not None
    assert set(wanted) >= {CONFIG, WEIGHTS}
    (tmp_path / "made").mkdir()
    FAMILY.convert(tmp_path / "unpacked", tmp_path / "made", Wishes())
    assert (tmp_path / "made" / "model.onnx").is_file()


class Hostile:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("touch /tmp/executed-by-a-pickle",)


def hostile_pickle(members: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    torch.save({"encoder": Hostile()}, buffer)
    members[WEIGHTS] = buffer.getvalue()


def plain_pickle(members: dict[str, bytes]) -> None:
    members[WEIGHTS] = pickle.dumps(Hostile())


def no_config(members: dict[str, bytes]) -> None:
    del members[CONFIG]


def damaged_weights(members: dict[str, bytes]) -> None:
    members[WEIGHTS] = members[WEIGHTS][: len(members[WEIGHTS]) // 2]


def leads_out(members: dict[str, bytes]) -> None:
    members["../out"] = b"x"


def other_tokenizer(members: dict[str, bytes]) -> None:
    other = {}

    def take(found: dict[str, bytes]) -> None:
        other.update(found)

    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        rewritten(checkpoint("conformer_bpe", Path(temporary) / "other"), take)
    theirs = next(content for name, content in other.items() if name.endswith("tokenizer.model"))
    members.update({name: theirs for name in members if name.endswith("tokenizer.model")})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (hostile_pickle, WeightsUnsafe),
        (plain_pickle, WeightsUnsafe),
        (no_config, SourceInvalid),
        (damaged_weights, ModelkitError),
        (leads_out, ArchiveUnsafe),
        (other_tokenizer, SourceInvalid),
    ],
)
def test_a_hostile_or_damaged_archive_is_refused_and_leaves_nothing(
    tmp_path: Path, change: Callable[[dict[str, bytes]], None], error: type[ModelkitError]
) -> None:
    source = rewritten(checkpoint("fastconformer", tmp_path / "source"), change)
    with pytest.raises(error):
        add(Request(str(next(source.iterdir())), tmp_path / "models"), Notes())
    assert list((tmp_path / "models").iterdir()) == []
    assert not Path("/tmp/executed-by-a-pickle").exists()


@pytest.mark.parametrize(("name", "said"), [("streaming", "streaming"), ("transducer", "no CTC head")])
def test_variants_that_cannot_be_run_are_refused_with_their_name(
    name: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(FamilyUnsupported, match=said):
        add(Request(str(FIXTURES / f"{name}.nemo"), tmp_path / "models"), Notes())


def test_an_unknown_language_is_named(tmp_path: Path) -> None:
    source = reconfigured(checkpoint("indic", tmp_path / "source"), multisoftmax)
    with pytest.raises(FamilyUnsupported, match="knows hi, mr, ta"):
        add(Request(str(source), tmp_path / "models", language="bn"), Notes())
    with pytest.raises(SourceInvalid, match="several archives"):
        FAMILY.wanted(Listing({"a.nemo": 1, "b.nemo": 1}))
