"""Where a run computes, and what follows from it: loader processes, precision, random numbers."""

import os
import signal
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


def loaders_for(device: torch.device) -> int:
    """Processes that make batches: one beside a CPU's own work, all cores but one for a GPU."""
    return 1 if device.type == "cpu" else max(1, len(os.sched_getaffinity(0)) - 1)


def half_precision(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 where it loses nothing: on a GPU, and on a CPU that multiplies it.

    On one that does not, it took 44 times as long as float32.
    """
    worthwhile = device.type != "cpu" or any(
        present for name, present in torch.cpu.get_capabilities().items() if "bf16" in name
    )
    context: AbstractContextManager[None] = torch.autocast(device.type, torch.bfloat16, enabled=worthwhile)
    return context


def keep_loading(_: int) -> None:
    """A loader process leaves signals to the run that owns it, which stops it after its checkpoint."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
