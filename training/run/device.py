"""The device and the precision of a run."""

from contextlib import AbstractContextManager

import torch

from training.corpora.store import Store


def chosen_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is a GPU if torch finds one.

    Raises:
        ValueError: `name` is a GPU and torch finds none.
    """
    seen = torch.cuda.is_available()
    if name.startswith("cuda") and not seen:
        raise ValueError("torch finds no GPU. Omit --device to train on the CPU.")
    return torch.device(("cuda" if seen else "cpu") if name == "auto" else name)


def half_precision(device: torch.device) -> AbstractContextManager[None]:
    """Use bfloat16 on a GPU, and on a CPU with bfloat16 multiplication.

    On a CPU without, it took 44 times as long as float32.
    """
    worthwhile = device.type != "cpu" or any(
        present for name, present in torch.cpu.get_capabilities().items() if "bf16" in name
    )
    context: AbstractContextManager[None] = torch.autocast(device.type, torch.bfloat16, enabled=worthwhile)
    return context


def audio_on(device: torch.device, store: Store) -> torch.Tensor:
    """Return all audio of a store as int16: on a GPU with room for twice as much, else memory-mapped."""
    count = store.audio_samples
    mapped = torch.from_file(str(store.audio_path), shared=False, size=count, dtype=torch.int16)
    if device.type == "cuda" and torch.cuda.mem_get_info(device)[0] > 2 * mapped.nbytes:
        return mapped.to(device)
    return mapped
