"""Load weights of unknown origin without running code that their file may hold."""

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from modelkit.errors import ModelkitError, SourceInvalid, WeightsUnsafe
from modelkit.sources.names import is_safe

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS: Final = ".safetensors"
INDEX: Final = ".index.json"
LAYOUTS: Final = ("model.safetensors", "pytorch_model.bin")
"""File names of a transformers checkpoint's weights, the preferred one first."""
WRAPPERS: Final = ("state_dict", "model_state_dict")
"""Keys under which Lightning and OpenAI keep the weights."""


def weight_names(names: Iterable[str]) -> list[str]:
    """Choose the files with the weights of a transformers checkpoint, safetensors before pickles.

    Returns:
        One file, or an index and after it its shards. Empty if there are no weights.
    """
    there = sorted(names)
    for single in LAYOUTS:
        if single in there:
            return [single]
        if single + INDEX in there:
            stem, suffix = single.rsplit(".", 1)
            shards = [name for name in there if name.startswith(f"{stem}-0") and name.endswith(f".{suffix}")]
            return [single + INDEX, *shards]
    return []


def load_state_dict(path: Path) -> dict[str, "Tensor"]:
    """Load a checkpoint's tensors to the CPU, memory-mapped if the file allows it.

    Args:
        path: a `.safetensors` file, a pickle of PyTorch (`.bin`, `.pt`, `.ckpt`), or the `.index.json` of a
            checkpoint in shards beside it. The weights may lie under `state_dict` or `model_state_dict`.

    Raises:
        WeightsUnsafe: a pickle holds more than tensors, or a tensor that claims more than its bytes.
        SourceInvalid: the file is missing, damaged, or no checkpoint.
    """
    if path.name.endswith(INDEX):
        return _load_shards(path)
    if not path.is_file():
        raise SourceInvalid(f"The weights {path.name} are missing.")
    loaded = _load_safetensors(path) if path.suffix == SAFETENSORS else _unwrapped(load_pickle(path))
    return _tensors(path, loaded)


def load_pickle(path: Path) -> Any:
    """Load a pickle of PyTorch that holds tensors, numbers, text and containers of these.

    Raises:
        WeightsUnsafe: it holds anything else, or is compressed, as a bomb would be.
        SourceInvalid: it is damaged.
    """
    import pickle  # for its error; pickle itself loads nothing here

    import torch

    mapped = zipfile.is_zipfile(path)  # checkpoints from before PyTorch 1.6 cannot be mapped
    try:
        if mapped:
            _check_stored(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise WeightsUnsafe(
            f"{path.name} is a pickle with more than tensors in it, which may run code. "
            "Ask its authors for safetensors."
        ) from error
    except (ModelkitError, OSError):
        raise
    except Exception as error:  # its unpickler raises whatever it stumbles over
        raise SourceInvalid(f"The weights {path.name} are damaged: {error}") from error


def _check_stored(path: Path) -> None:
    """Refuse compressed members: `torch.save` writes none."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise SourceInvalid(f"The weights {path.name} are damaged: {error}") from error
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise WeightsUnsafe(f"{path.name} has compressed members, which PyTorch does not write.")


def _load_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise SourceInvalid(f"The weights {path.name} are damaged: {error}") from error


def _unwrapped(loaded: Any) -> Any:
    """Take the weights out of a checkpoint that has other entries beside them."""
    if isinstance(loaded, Mapping):
        for key in WRAPPERS:
            if isinstance(loaded.get(key), Mapping):
                return loaded[key]
    return loaded


def _tensors(path: Path, loaded: Any) -> dict[str, "Tensor"]:
    import torch

    if not isinstance(loaded, Mapping) or not loaded:
        raise SourceInvalid(f"{path.name} holds no named tensors.")
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise WeightsUnsafe(f"{path.name} holds more than named tensors, for example under {name!r}.")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise SourceInvalid(f"The tensor {name} in {path.name} is sparse, quantised or without data.")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise WeightsUnsafe(f"The tensor {name} in {path.name} claims more than its bytes.")
    return dict(loaded)


def _load_shards(index: Path) -> dict[str, "Tensor"]:
    try:
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(shards.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceInvalid(f"The index {index.name} of the weights cannot be read: {error}") from error
    tensors: dict[str, Tensor] = {}
    for name in names:
        if not isinstance(name, str) or "/" in name or not is_safe(name) or name.endswith(INDEX):
            raise SourceInvalid(f"The index {index.name} names the file {name!r}.")
        tensors.update(load_state_dict(index.with_name(name)))
    if missing := shards.keys() - tensors.keys():
        raise SourceInvalid(f"The tensor {min(missing)} is in none of the files that {index.name} names.")
    return tensors
