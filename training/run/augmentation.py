"""Assemble and augment batches of audio on the training device.

Shapes: B utterances, S samples, T frames. All random numbers come from the `torch.Generator` of the batch, so
the same seed and update give the same batch. CPU and GPU run the same code.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from training.model.network import frame_mask
from training.recipe import SAMPLE_RATE
from training.run.batches import Row

ROOM_SAMPLES = 4800
"""Length of a room's impulse response: 0.3 s."""

_TINY = 1e-6


class Dice:
    """Random numbers on the generator's device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator, self.device = generator, generator.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def chance(self, share: float, *shape: int) -> Tensor:
        """Return booleans, of which about `share` are true."""
        return self.uniform(0.0, 1.0, *shape) < share


def _factor(decibels: Tensor) -> Tensor:
    return 10.0 ** (decibels / 20.0)


def level(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Compute the root mean square of each utterance without padding: (B, S), (B) to (B)."""
    power = (waveforms * waveforms * frame_mask(lengths, waveforms.shape[1])).sum(1) / lengths
    return power.sqrt() + _TINY


def assemble(audio: Tensor, rows: Sequence[Row], device: torch.device) -> tuple[Tensor, Tensor]:
    """Resample and join the pieces of each row at unit power: waveforms (B, S) float32 and lengths (B).

    Args:
        audio: the store's int16 samples, on any device.
        device: device of the batch.
    """
    pieces = [(number, piece) for number, row in enumerate(rows) for piece in row.pieces]
    longest = max(row.samples for row in rows)
    columns = torch.tensor(
        [[n * longest + p.start, p.length, p.samples, p.offset] for n, p in pieces], dtype=torch.long
    )
    factors = torch.tensor([p.factor for _, p in pieces], device=device)
    read = torch.arange(int(columns[:, 2].max()), device=audio.device)
    offsets, samples = columns[:, 3:].to(audio.device), columns[:, 2:3].to(audio.device)
    source = audio[offsets + torch.minimum(read[None], samples - 1)].to(device).float()

    start, length, samples = (column.to(device)[:, None] for column in columns[:, :3].unbind(1))
    step = torch.arange(int(columns[:, 1].max()), device=device)[None]
    where = torch.minimum(step * factors[:, None], samples - 1.0)
    below = where.floor().long()
    low, high = source.gather(1, below), source.gather(1, torch.minimum(below + 1, samples - 1))
    values = torch.lerp(low, high, where - below) / 32768.0
    inside = step < length
    power = (values * values * inside).sum(1, keepdim=True) / length
    values = values / (power.sqrt() + 1e-5)
    made = torch.zeros(len(rows) * longest, device=device)
    made[(start + step)[inside]] = values[inside]
    return made.view(len(rows), longest), torch.tensor([row.samples for row in rows], device=device)


def _fast_size(samples: int) -> int:
    """Return the next length for a fast Fourier transform: a power of two, or three halves of one."""
    power = 1 << (samples - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= samples else power


def microphone(dice: Dice, batch: int, bins: int) -> Tensor:
    """Draw smooth random gains over frequency in decibels, for seven of ten utterances: (B, bins)."""
    points = torch.tensor([0.0, 0.03, 0.08, 0.2, 0.5, 1.0], device=dice.device)
    gains = 4.0 * dice.normal(batch, len(points)) * dice.chance(0.7, batch, 1)
    place = torch.linspace(0, 1, bins, device=dice.device)
    above = torch.searchsorted(points, place).clamp(1, len(points) - 1)
    share = (place - points[above - 1]) / (points[above] - points[above - 1])
    return torch.lerp(gains[:, above - 1], gains[:, above], share)


def band(dice: Dice, batch: int, bins: int) -> Tensor:
    """Draw attenuations in decibels outside a random band: telephone, cheap microphone or none (B, bins).

    The slope is 24 decibels per octave, down to 50 at most.
    """
    kind = dice.uniform(0.0, 1.0, batch)
    telephone, cheap = kind < 0.18, kind < 0.4
    low = torch.where(cheap, dice.uniform(40.0, 240.0, batch), torch.ones_like(kind))
    low = torch.where(telephone, dice.uniform(200.0, 400.0, batch), low)
    high = torch.where(cheap, dice.uniform(3800.0, 7900.0, batch), torch.full_like(kind, 9000.0))
    high = torch.where(telephone, dice.uniform(3000.0, 3700.0, batch), high)
    hertz = torch.linspace(1, SAMPLE_RATE / 2, bins, device=dice.device)
    octaves = torch.maximum(torch.log2(low[:, None] / hertz), torch.log2(hertz / high[:, None]))
    return -(24.0 * octaves.clamp(min=0.0)).clamp(max=50.0)


def room(dice: Dice, batch: int) -> Tensor:
    """Draw impulse responses of rooms, direct sound first, for 45 of 100 utterances: (B, samples)."""
    steps = torch.arange(ROOM_SAMPLES, device=dice.device)
    decay = torch.exp(-steps / (SAMPLE_RATE * dice.uniform(0.02, 0.15, batch, 1)))
    echo = dice.normal(batch, ROOM_SAMPLES) * decay
    strength = dice.uniform(0.1, 0.8, batch, 1) * dice.chance(0.45, batch, 1)
    echo = echo * strength / echo.norm(dim=1, keepdim=True)
    echo[:, 0] = 1.0
    return echo


def filtered(waveforms: Tensor, dice: Dice) -> Tensor:
    """Apply a random microphone, band and room with one forward and one inverse FFT: (B, S) to (B, S)."""
    batch, samples = waveforms.shape
    size = _fast_size(samples + ROOM_SAMPLES)
    spectrum = torch.fft.rfft(waveforms, size)
    bins = spectrum.shape[1]
    gains = _factor(microphone(dice, batch, bins) + band(dice, batch, bins))
    spectrum = spectrum * gains * torch.fft.rfft(room(dice, batch), size)
    return torch.fft.irfft(spectrum, size)[:, :samples]


def noise(dice: Dice, batch: int, samples: int) -> Tensor:
    """Draw noise of unit power with a random spectral slope, from white to steeper than brown: (B, S)."""
    size = _fast_size(samples)
    spectrum = torch.fft.rfft(dice.normal(batch, size))
    hertz = torch.linspace(1, SAMPLE_RATE / 2, spectrum.shape[1], device=dice.device)
    made = torch.fft.irfft(spectrum * hertz ** -dice.uniform(0.0, 1.2, batch, 1), size)[:, :samples]
    return made / (made.square().mean(1, keepdim=True).sqrt() + _TINY)


def noisy(waveforms: Tensor, lengths: Tensor, dice: Dice) -> Tensor:
    """Add noise 3 to 50 decibels below the speech, and to one in eight the batch's next utterance as well."""
    batch, samples = waveforms.shape
    speech = level(waveforms, lengths)[:, None]
    quiet = dice.chance(0.85, batch, 1)
    below = torch.where(quiet, dice.uniform(15.0, 50.0, batch, 1), dice.uniform(3.0, 18.0, batch, 1))
    made = waveforms + noise(dice, batch, samples) * speech * _factor(-below)
    babble = made.roll(1, 0) * dice.chance(0.12, batch, 1) * _factor(-dice.uniform(8.0, 25.0, batch, 1))
    return made + babble


def recorded(waveforms: Tensor, lengths: Tensor, dice: Dice) -> Tensor:
    """Set a random level of -45 to -13 decibels, and clip one in sixteen utterances. Result within -1..1."""
    batch = len(waveforms)
    wanted = _factor(dice.uniform(-45.0, -13.0, batch, 1))
    made = waveforms * wanted / level(waveforms, lengths)[:, None]
    most = torch.where(dice.chance(0.06, batch, 1), (3.0 * wanted).clamp(max=1.0), torch.ones_like(wanted))
    return torch.maximum(torch.minimum(made, most), -most)


def augment(waveforms: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
    """Augment each utterance at random; zero after its end: (B, S), (B) to (B, S)."""
    dice = Dice(generator)
    made = recorded(noisy(filtered(waveforms, dice), lengths, dice), lengths, dice)
    return made * frame_mask(lengths, made.shape[1])


def warped(mel: Tensor, factors: Tensor) -> Tensor:
    """Stretch the mel axis by a factor per utterance, like another vocal tract: (B, T, mels).

    N. Jaitly and G. E. Hinton, "Vocal tract length perturbation" (2013).
    """
    bands = mel.shape[2]
    where = (torch.arange(bands, device=mel.device) * factors[:, None]).clamp(max=bands - 1.001)
    below = where.floor().long()
    index = below[:, None].expand(mel.shape)
    return torch.lerp(mel.gather(2, index), mel.gather(2, index + 1), (where - below)[:, None])


def hidden(mel: Tensor, frames: Tensor, dice: Dice) -> Tensor:
    """Set two bands of mels and up to six spans of frames to zero, fewer in short utterances.

    SpecAugment: D. S. Park et al. 2019, arXiv:1904.08779.
    """
    batch, steps, bands = mel.shape
    band_, step = (torch.arange(n, device=mel.device) for n in (bands, steps))
    for _ in range(2):
        width = dice.uniform(0.0, 18.0, batch, 1)
        start = dice.uniform(0.0, 1.0, batch, 1) * (bands - width)
        mel = mel.masked_fill(((band_ >= start) & (band_ < start + width))[:, None], 0.0)
    for _ in range(6):
        width = dice.uniform(0.0, 22.0, batch, 1)
        start = dice.uniform(0.0, 1.0, batch, 1) * frames[:, None]
        drawn = dice.uniform(0.0, 1.0, batch, 1) < (frames[:, None] / 900.0).clamp(0.15, 1.0)
        span = (step >= start) & (step < start + width) & drawn
        mel = mel.masked_fill(span[:, :, None], 0.0)
    return mel


def augment_mel(mel: Tensor, frames: Tensor, generator: torch.Generator) -> Tensor:
    """Apply `warped` by 0.87 to 1.15 to six of ten utterances, then `hidden`: (B, T, mels), (B)."""
    dice = Dice(generator)
    batch = len(mel)
    factors = torch.where(
        dice.chance(0.6, batch), dice.uniform(0.87, 1.15, batch), torch.ones(batch, device=dice.device)
    )
    return hidden(warped(mel, factors), frames, dice)
