"""What a run can be told, and the learning rate that follows from it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run can be told; the same settings and seed give the same batches."""

    updates: int = 14000
    minutes: float | None = None
    warm_updates: int = 300
    peak: float = 1.2e-3
    ramp_updates: int = 200
    steady: float = 0.5
    batch_seconds: float = 60.0
    real_share: float = 0.8
    real_part: float = 1.0
    spelling_weight: float = 0.7
    weight_decay: float = 0.02
    average: float = 0.999
    clip: float = 5.0
    seed: int = 7
    threads: int = 2
    device: str = "auto"
    width: int = 160
    inner_blocks: int = 12
    checkpoint_seconds: float = 180.0
    held_out_every: int = 1000


@dataclass(frozen=True, slots=True)
class Course:
    """How the spelling part alone is taught by text; the learning rate ends at zero.

    Attributes:
        sentences: in a batch.
        synthetic_clips: of the store, to hear whole.
        assembled: part of the sentences that nobody has spoken; the others are whole utterances.
    """

    updates: int = 4000
    minutes: float | None = None
    sentences: int = 40
    peak: float = 1e-3
    ramp_updates: int = 200
    weight_decay: float = 0.02
    average: float = 0.999
    clip: float = 5.0
    synthetic_clips: int = 2500
    assembled: float = 0.7
    seed: int = 7


def done_part(update: int, seconds: float, settings: Settings) -> float:
    """How much of the run is over, 0..1: by updates, or by the clock where that is further."""
    part = update / settings.updates
    if settings.minutes is not None:
        part = max(part, seconds / (60.0 * settings.minutes))
    return min(1.0, part)


def learning_rate(update: int, part: float, settings: Settings) -> float:
    """Linear ramp, a steady part, then linear decay to zero where `part` of the run, 0..1, is 1."""
    ramp = min(1.0, (update + 1) / settings.ramp_updates)
    return settings.peak * ramp * min(1.0, (1.0 - part) / (1.0 - settings.steady))
