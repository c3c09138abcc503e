"""How long to train, and which weights, for an amount of audio."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from training.run.schedule import REFIT, TRAIN, Settings

ENCODER_SECONDS = 3600.0
"""With less audio than this, only the heads are trained: the encoder would learn the few voices by heart."""
ENCODER_RATE = 1e-4
_EPOCHS, _EPOCHS_WITH_ENCODER = 20, 10
_FEWEST_UPDATES, _MOST_UPDATES = 100, 20_000


def settings_of(
    seconds: float, frozen: bool, from_scratch: bool, on_gpu: bool, chosen: Mapping[str, Any]
) -> Settings:
    """Return the settings of the run for the amount of audio. Those in `chosen` that are not None win."""
    if from_scratch:
        settings = TRAIN if on_gpu else replace(TRAIN, batch_seconds=160.0)
    elif frozen:
        settings = replace(REFIT, updates=_updates(seconds, _EPOCHS, REFIT.batch_seconds, REFIT.updates))
    else:
        batch = 320.0 if on_gpu else REFIT.batch_seconds
        updates = _updates(seconds, _EPOCHS_WITH_ENCODER, batch, _MOST_UPDATES)
        settings = replace(
            REFIT, updates=updates, freeze_encoder=False, encoder_rate=ENCODER_RATE, batch_seconds=batch
        )
    settings = replace(settings, **{name: value for name, value in chosen.items() if value is not None})
    between = 600.0 if settings.minutes is None else min(600.0, 60 * settings.minutes / 4)
    warm = min(settings.warm_updates, max(1, settings.updates // 10))
    return replace(settings, warm_updates=warm, held_out_seconds=between, checkpoint_seconds=60.0)


def _updates(seconds: float, epochs: int, batch_seconds: float, most: int) -> int:
    return min(most, max(_FEWEST_UPDATES, math.ceil(epochs * seconds / batch_seconds)))
