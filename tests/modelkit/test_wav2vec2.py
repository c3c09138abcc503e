"""wav2vec 2.0, HuBERT, WavLM, w2v-BERT: the converted folder gives what transformers' own pipeline gives."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from modelkit.description import write_description
from modelkit.errors import ConversionWrong, FamilyUnsupported, SourceInvalid, WeightsUnsafe
from modelkit.families import Listing, Wishes, families
from modelkit.families.transformers_ctc import FAMILY
from modelkit.graphs import torch_export
from modelkit.graphs.parity import check_parity, probe
from modelkit.verification import verify
from speech import ModelFolder
from speech.decoding import GreedyDecoder
from speech.recognisers import load_recogniser
from speech.text import transcript_text

torch = pytest.importorskip("torch")

from tests.modelkit.small_checkpoints import (  # noqa: E402 - needs torch
    KINDS,
    load_model,
    load_pipeline,
    make_checkpoint,
    save_adapter,
)

TOLERANCE = 1e-3
LENGTHS = (1600, 5_923, 27_201, 80_077, 480_000)
"""Samples, 0.1 to 30 s, most of them between two frames."""


def listing(folder: Path) -> Listing:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Listing({path.name: path.stat().st_size for path in folder.iterdir()}, config)


def convert(source: Path, target: Path, wishes: Wishes | None = None) -> Path:
    """Convert what the family wants of a checkpoint and write model.json, as adding a model does."""
    wanted = FAMILY.wanted(listing(source))
    assert wanted is not None
    staged = target.with_name(f"{target.name}-source")
    for folder in (staged, target):
        folder.mkdir(parents=True)
    for name in wanted:
        shutil.copyfile(source / name, staged / name)
    entries = FAMILY.convert(staged, target, wishes or Wishes())
    about = {
        "licence": "CC0-1.0",
        "description": "Random weights.",
        "training": {"data": [], "parameters": 0},
    }
    write_description(target, {"format": 1, "name": target.name, "evaluation": [], **about, **entries})
    return target


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a checkpoint of a kind, once."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def make(kind: str) -> Path:
        path = folder / kind
        return path if path.is_dir() else make_checkpoint(path, kind)

    return make


@pytest.fixture(scope="module")
def converted(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Convert a checkpoint of a kind, once."""
    folder = tmp_path_factory.mktemp("models")

    def make(kind: str) -> Path:
        path = folder / kind
        return path if path.is_dir() else convert(checkpoint(kind), path)

    return make


@pytest.fixture
def copied(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    return Path(shutil.copytree(checkpoint("wav2vec2-base"), tmp_path / "checkpoint"))


def original(folder: Path, waveform: np.ndarray) -> tuple[np.ndarray, str]:
    """Log-probabilities (frames, tokens) and greedy text as transformers documents them."""
    processor, model = load_pipeline(folder)
    with torch.inference_mode():
        logits = model(**processor(waveform, sampling_rate=16_000, return_tensors="pt")).logits
    (text,) = processor.batch_decode(logits.argmax(-1))
    return logits[0].log_softmax(-1).numpy(), text


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_and_text_are_the_originals(
    kind: str, checkpoint: Callable[[str], Path], converted: Callable[[str], Path]
) -> None:
    model = ModelFolder.load(converted(kind))
    recogniser = load_recogniser(model, 1)
    decoder = GreedyDecoder.of_model(model)
    waveforms = [probe(length, seed) for seed, length in enumerate(LENGTHS)]
    padded = [rows for first in range(0, 4, 2) for rows in recogniser.log_probs(waveforms[first : first + 2])]
    for waveform, in_batch in zip(waveforms, [*padded, None], strict=True):
        expected, text = original(checkpoint(kind), waveform)
        (alone,) = recogniser.log_probs([waveform])
        assert alone.shape == expected.shape
        assert np.abs(alone - expected).max() < TOLERANCE
        assert in_batch is None or np.abs(in_batch - expected).max() < TOLERANCE
        assert " ".join(decoder.hear(alone).texts) == " ".join(transcript_text(text).split())
    assert len(text) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_passes_verification(kind: str, converted: Callable[[str], Path], tmp_path: Path) -> None:
    folder = converted(kind)
    checks = list(verify(folder, tmp_path))
    assert [check.name for check in checks] == ["description", "files", "shapes", "padding", "clip"]
    assert [check for check in checks if check.passed is False] == []
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert card["batched"] is (kind != "wav2vec2-base")
    assert card["conversion"]["max_difference"] < TOLERANCE
    assert card["min_samples"] == (560 if kind == "w2v-bert" else 400)
    assert card["frame_stride"] == 0.02


ADAPTER = {"add_adapter": True, "num_adapter_layers": 1, "output_hidden_size": 32}


@pytest.mark.parametrize(
    ("kind", "settings", "stride", "batched"),
    [
        ("w2v-bert", ADAPTER, 0.04, False),
        ("wav2vec2-xlsr", ADAPTER, 0.04, False),
        ("w2v-bert", {"position_embeddings_type": "relative"}, 0.02, True),
        ("w2v-bert", {"position_embeddings_type": "rotary"}, 0.02, True),
        ("hubert", {"conv_pos_batch_norm": True}, 0.02, False),
    ],
)
def test_variants_of_the_architectures(
    kind: str, settings: dict[str, Any], stride: float, batched: bool, tmp_path: Path
) -> None:
    source = make_checkpoint(tmp_path / "checkpoint", kind, **settings)
    model = ModelFolder.load(convert(source, tmp_path / "model"))
    assert (model.frame_stride, model.batched) == (stride, batched)
    waveform = probe(48_123, 0)
    (found,) = load_recogniser(model, 1).log_probs([waveform])
    assert np.abs(found - original(source, waveform)[0]).max() < TOLERANCE


def test_padding_that_is_not_masked_is_noticed(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    from modelkit.families.transformers_ctc.loading import load_checkpoint
    from modelkit.families.transformers_ctc.waveform import WaveformGraph

    source = checkpoint("wavlm")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    loaded: Any = load_checkpoint(source, config)
    unmasked = WaveformGraph(loaded.network, normalise=True, masked=False)
    torch_export.export_ctc(unmasked, tmp_path / "model.onnx")
    with pytest.raises(ConversionWrong):
        check_parity(loaded.pipeline, tmp_path, min_samples=400, seconds=(0.43, 1.7))


def test_old_names_half_precision_and_pickles_load(copied: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(copied / "model.safetensors")
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for new, name in old.items():
        for key in [key for key in state if key.endswith(new)]:
            state[key.replace(new, name)] = state.pop(key)
    assert sum(name.endswith(("weight_g", "weight_v")) for name in state) == 2
    (copied / "model.safetensors").unlink()
    torch.save({name: value.half() for name, value in state.items()}, copied / "pytorch_model.bin")
    waveform = probe(16_000, 0)
    (found,) = load_recogniser(ModelFolder.load(convert(copied, tmp_path / "model")), 1).log_probs([waveform])
    assert found.shape == (49, 54)


def test_weights_in_several_files_load(copied: Path, tmp_path: Path) -> None:
    model = load_model(copied)
    (copied / "model.safetensors").unlink()
    model.save_pretrained(copied, max_shard_size="60KB")
    wanted = FAMILY.wanted(listing(copied))
    assert wanted is not None
    assert len([name for name in wanted if name.endswith(".safetensors")]) > 1
    waveform = probe(16_000, 0)
    (found,) = load_recogniser(ModelFolder.load(convert(copied, tmp_path / "model")), 1).log_probs([waveform])
    assert np.abs(found - original(copied, waveform)[0]).max() < TOLERANCE


def test_the_adapter_of_the_language_replaces_weights_and_tokens(tmp_path: Path) -> None:
    source = make_checkpoint(tmp_path / "checkpoint", "wav2vec2-xlsr", adapter_attn_dim=4)
    tokens = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "क": 5, "म": 6, "ल": 7}
    save_adapter(source, "hin", tokens)
    save_adapter(source, "eng", {**tokens, "a": 8})
    wanted = FAMILY.wanted(listing(source))
    assert wanted is not None
    assert [name for name in wanted if name.startswith("adapter.")] == ["adapter.hin.safetensors"]
    model = ModelFolder.load(convert(source, tmp_path / "model"))
    assert model.tokens == ("<blk>", "<s>", "</s>", "<unk>", "▁", "क", "म", "ल")
    with pytest.raises(SourceInvalid, match="tokens for the language 'ta'"):
        convert(source, tmp_path / "tamil", Wishes(language="ta"))


def test_a_graph_too_large_for_one_file_has_its_weights_beside_it(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_export, "MOST_IN_ONE_FILE", 10_000)
    folder = convert(checkpoint("w2v-bert"), tmp_path / "model")
    assert sorted(ModelFolder.load(folder).files) == ["model.onnx", "model.onnx.data", "tokens.txt"]
    assert not [check for check in verify(folder, tmp_path) if check.passed is False]
    onnx.checker.check_model(folder / "model.onnx")
    with (folder / "model.onnx.data").open("r+b") as file:
        file.write(b"\0" * 64)
    assert [check.passed for check in verify(folder, tmp_path)] == [True, False]


def test_a_language_model_is_left_out_and_said_to_be(copied: Path, tmp_path: Path) -> None:
    path = copied / "preprocessor_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, "processor_class": "Wav2Vec2ProcessorWithLM"}), encoding="utf-8")
    (copied / "alphabet.json").write_text("{}", encoding="utf-8")
    said: list[str] = []
    convert(copied, tmp_path / "model", Wishes(tell=said.append))
    assert any("language model is left out" in sentence for sentence in said)


def test_the_family_is_registered() -> None:
    assert FAMILY in families()


def edit(path: Path, **changes: object) -> None:
    entries = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")


def failing(source: Path, target: Path, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        convert(source, target)
    assert not (target / "model.onnx").exists()


def test_a_vocabulary_larger_than_the_head_is_refused(copied: Path, tmp_path: Path) -> None:
    edit(copied / "vocab.json", ॐ=54)
    failing(copied, tmp_path / "model", SourceInvalid, "ids up to 54, but the CTC head has 54 outputs")


def test_missing_weights_are_refused(copied: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(copied / "model.safetensors")
    del state["lm_head.weight"]
    save_file(state, copied / "model.safetensors")
    failing(copied, tmp_path / "model", SourceInvalid, "Missing: lm_head.weight")


def test_weights_of_another_network_are_refused(copied: Path, tmp_path: Path) -> None:
    edit(copied / "config.json", num_hidden_layers=1, layers=1)
    failing(copied, tmp_path / "model", SourceInvalid, "Unexpected: .*encoder.layers.1.* more")
    edit(copied / "config.json", num_hidden_layers=2, hidden_size=64)
    failing(copied, tmp_path / "wider", SourceInvalid, "Of another shape")


def test_a_config_that_cannot_be_built_is_refused(copied: Path, tmp_path: Path) -> None:
    edit(copied / "config.json", num_attention_heads=5)
    failing(copied, tmp_path / "model", SourceInvalid, "config.json describes no Wav2Vec2ForCTC")


@pytest.mark.parametrize("rate", [0, "16000", None, 10**9])
def test_an_impossible_sample_rate_is_refused(rate: object, copied: Path, tmp_path: Path) -> None:
    edit(copied / "preprocessor_config.json", sampling_rate=rate)
    failing(copied, tmp_path / "model", SourceInvalid, "'sampling_rate'")


def test_an_extractor_of_another_network_is_refused(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    source = Path(shutil.copytree(checkpoint("w2v-bert"), tmp_path / "checkpoint"))
    edit(source / "preprocessor_config.json", num_mel_bins=40)
    failing(source, tmp_path / "model", SourceInvalid, "frames of 40 mel bands")


def test_damaged_weights_are_refused(copied: Path, tmp_path: Path) -> None:
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    failing(copied, tmp_path / "model", SourceInvalid, "damaged")


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)


def test_code_in_pickled_weights_is_refused_and_not_run(copied: Path, tmp_path: Path) -> None:
    (copied / "model.safetensors").unlink()
    marker = tmp_path / "ran"
    torch.save({"lm_head.weight": Hostile(marker)}, copied / "pytorch_model.bin")
    failing(copied, tmp_path / "model", WeightsUnsafe, "pytorch_model.bin")
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps(Hostile(marker)))
    failing(copied, tmp_path / "plain", WeightsUnsafe, "pytorch_model.bin")
    assert not marker.exists()


def test_phonemes_are_refused(copied: Path, tmp_path: Path) -> None:
    edit(copied / "tokenizer_config.json", tokenizer_class="Wav2Vec2PhonemeCTCTokenizer")
    failing(copied, tmp_path / "model", FamilyUnsupported, "Wav2Vec2PhonemeCTCTokenizer")
