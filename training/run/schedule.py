"""The settings of a run, and its learning rate schedule."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a run. The same settings, start and store give the same weights on one machine.

    Attributes:
        updates: number of updates, at whose end the learning rate is zero.
        minutes: time limit; the learning rate reaches zero at the earlier of the two ends.
        encoder_rate: highest learning rate of the encoder's last layer.
        rate_decay: factor of the rate from a layer of the encoder to the preceding one.
        head_rate: highest learning rate of all other weights.
        freeze_encoder: train only the heads, which is much faster.
        warm_updates: updates of the warm-up.
        steady: share of the run at the highest rate.
        batch_seconds: seconds of audio per update, including padding.
        phone_weight: weight of the phone loss relative to the spelling loss.
        withheld: share of the spelt rows whose spelling must do without the encoder's states.
        dropout: in the spelling part, and in the encoder unless frozen. Takes a third of the time on a CPU.
        average: decay of the moving average of the weights.
        clip: largest norm of the gradient.
        threads: CPU threads.
        checkpoint_seconds, held_out_seconds: time between checkpoints, and between measurements.
    """

    updates: int = 3400
    minutes: float | None = None
    encoder_rate: float = 3e-4
    rate_decay: float = 0.85
    head_rate: float = 1.5e-3
    freeze_encoder: bool = False
    warm_updates: int = 60
    steady: float = 0.35
    batch_seconds: float = 640.0
    phone_weight: float = 0.4
    withheld: float = 0.25
    dropout: float = 0.0
    weight_decay: float = 0.01
    average: float = 0.998
    clip: float = 1.0
    seed: int = 7
    threads: int = 2
    device: str = "auto"
    checkpoint_seconds: float = 180.0
    held_out_seconds: float = 600.0


TRAIN = Settings()
"""Settings to train all weights, starting from Whisper's."""

REFIT = Settings(
    updates=860, head_rate=3e-4, freeze_encoder=True, batch_seconds=80.0, checkpoint_seconds=120.0
)
"""Settings to train the heads after the encoder was moved back towards Whisper's."""


def done_part(update: int, seconds: float, settings: Settings) -> float:
    """Return the fraction of the run that is done, 0..1, by updates or by time, whichever is larger."""
    part = update / settings.updates
    if settings.minutes is not None:
        part = max(part, seconds / (60.0 * settings.minutes))
    return min(1.0, part)


def rate_factor(update: int, part: float, settings: Settings) -> float:
    """Return the factor of the highest rates: a ramp, a steady part, then linear to zero at `part` = 1."""
    ramp = min(1.0, (update + 1) / max(1, settings.warm_updates))
    return ramp * min(1.0, (1.0 - part) / (1.0 - settings.steady))
