"""Weights of unknown origin: tensors are loaded, and no code runs."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from modelkit.errors import ModelkitError, SourceInvalid, WeightsUnsafe
from modelkit.sources.pickled import load_state_dict, weight_names

torch: Any = pytest.importorskip("torch")
safetensors: Any = pytest.importorskip("safetensors.torch")


@pytest.fixture
def weights() -> dict[str, Any]:
    torch.set_num_threads(1)
    shared = torch.arange(6.0).reshape(2, 3)
    return {
        "encoder.weight": shared,
        "tied.weight": shared,
        "steps": torch.tensor(7),
        "half": torch.ones(4).half(),
    }


def equal(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], value) and found[name].dtype == value.dtype
        for name, value in expected.items()
    )


class Hostile:
    """What runs a command when pickle loads it."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.proof}",)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles(tmp_path: Path, weights: dict[str, Any], wrapper: str | None, zipped: bool) -> None:
    path = tmp_path / "model.ckpt"
    saved = weights if wrapper is None else {wrapper: weights, "epoch": 3, "dims": {"n_mels": 80}}
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    assert equal(load_state_dict(path), weights)


def test_safetensors(tmp_path: Path, weights: dict[str, Any]) -> None:
    del weights["tied.weight"]
    safetensors.save_file(weights, tmp_path / "model.safetensors")
    assert equal(load_state_dict(tmp_path / "model.safetensors"), weights)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("where", ["alone", "beside"])
def test_a_pickle_with_a_command_is_refused(
    tmp_path: Path, weights: dict[str, Any], zipped: bool, where: str
) -> None:
    path, proof = tmp_path / "pytorch_model.bin", tmp_path / "proof"
    hostile = Hostile(proof)
    saved = hostile if where == "alone" else {**weights, "extra": hostile}
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsUnsafe, match=r"pytorch_model\.bin"):
        load_state_dict(path)
    assert not proof.exists()


def test_a_bare_pickle_with_a_command_is_refused(tmp_path: Path) -> None:
    path, proof = tmp_path / "pytorch_model.bin", tmp_path / "proof"
    path.write_bytes(pickle.dumps(Hostile(proof)))
    with pytest.raises(ModelkitError):
        load_state_dict(path)
    assert not proof.exists()


@pytest.mark.parametrize("more", [3, "text", None, [1.0], {"inner": 1}])
def test_more_than_tensors_is_refused(tmp_path: Path, weights: dict[str, Any], more: object) -> None:
    torch.save({**weights, "more": more}, tmp_path / "model.bin")
    with pytest.raises(WeightsUnsafe, match="more than named tensors"):
        load_state_dict(tmp_path / "model.bin")


def test_a_compressed_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"zeros": torch.zeros(1_000_000)}, tmp_path / "plain.bin")
    with (
        zipfile.ZipFile(tmp_path / "plain.bin") as plain,
        zipfile.ZipFile(tmp_path / "bomb.bin", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    assert (tmp_path / "bomb.bin").stat().st_size < 10_000
    with pytest.raises(WeightsUnsafe, match="compressed"):
        load_state_dict(tmp_path / "bomb.bin")


def test_a_tensor_that_claims_more_than_its_bytes_is_refused(tmp_path: Path) -> None:
    torch.save({"bomb": torch.zeros(1).expand(2**50)}, tmp_path / "model.bin")
    with pytest.raises(WeightsUnsafe, match="claims more"):
        load_state_dict(tmp_path / "model.bin")


@pytest.mark.parametrize("saved", [[], {}, 3, [1, 2]])
def test_no_checkpoint(tmp_path: Path, saved: object) -> None:
    torch.save(saved, tmp_path / "model.bin")
    with pytest.raises(SourceInvalid, match="no named tensors"):
        load_state_dict(tmp_path / "model.bin")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_weights(tmp_path: Path, weights: dict[str, Any], name: str, zipped: bool) -> None:
    path = tmp_path / name
    if name.endswith("safetensors"):
        safetensors.save_file({"weight": weights["encoder.weight"]}, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, max(1, len(whole) // 50)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelkitError):
            load_state_dict(path)


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match="missing"):
        load_state_dict(tmp_path / "model.safetensors")


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards(tmp_path: Path, weights: dict[str, Any], suffix: str) -> None:
    stem = {"safetensors": "model", "bin": "pytorch_model"}[suffix]
    names = [f"{stem}-0000{number}-of-00002.{suffix}" for number in (1, 2)]
    parts = {names[0]: ["encoder.weight", "half"], names[1]: ["steps"]}
    for name, keys in parts.items():
        save = safetensors.save_file if suffix == "safetensors" else torch.save
        save({key: weights[key] for key in keys}, tmp_path / name)
    index = tmp_path / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"weight_map": {key: name for name, keys in parts.items() for key in keys}}))
    assert weight_names(path.name for path in tmp_path.iterdir()) == [index.name, *names]
    del weights["tied.weight"]
    assert equal(load_state_dict(index), weights)
    index.write_text(json.dumps({"weight_map": {"elsewhere": names[0]}}))
    with pytest.raises(SourceInvalid, match="elsewhere"):
        load_state_dict(index)


@pytest.mark.parametrize(
    "index",
    [
        "",
        "[]",
        "{}",
        '{"weight_map": 3}',
        '{"weight_map": {"a": 3}}',
        '{"weight_map": {"a": "../model.bin"}}',
        '{"weight_map": {"a": "/etc/passwd"}}',
        '{"weight_map": {"a": "model.bin.index.json"}}',
    ],
)
def test_hostile_indexes(tmp_path: Path, index: str) -> None:
    path = tmp_path / "model.bin.index.json"
    path.write_text(index)
    with pytest.raises(SourceInvalid, match="index"):
        load_state_dict(path)


def test_safetensors_come_before_pickles() -> None:
    assert weight_names(["pytorch_model.bin", "model.safetensors", "config.json"]) == ["model.safetensors"]
    assert weight_names(["pytorch_model.bin", "training_args.bin"]) == ["pytorch_model.bin"]
    assert weight_names(["config.json", "optimizer.pt"]) == []
