"""Batches of audio as they are laid out and augmented, against what numpy makes of one clip."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import require

require("torch")

import torch  # noqa: E402

from training.corpora.store import Store, Symbols  # noqa: E402
from training.recipe import SAMPLE_RATE  # noqa: E402
from training.run.augmentation import (  # noqa: E402
    Dice,
    assemble,
    augment,
    augment_mel,
    band,
    filtered,
    hidden,
    level,
    microphone,
    noise,
    noisy,
    recorded,
    room,
    warped,
)
from training.run.batches import Piece, Plan, Row  # noqa: E402
from training.run.device import audio_on  # noqa: E402

CPU = torch.device("cpu")


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dice(seed: int = 1) -> Dice:
    return Dice(generator(seed))


def tones(batch: int = 6, samples: int = 9000) -> tuple[torch.Tensor, torch.Tensor]:
    steps = torch.arange(samples) / SAMPLE_RATE
    waves = torch.stack([torch.sin(2 * np.pi * (300 + 150 * n) * steps) for n in range(batch)])
    lengths = torch.linspace(samples / 2, samples, batch).long()
    return waves * (torch.arange(samples)[None] < lengths[:, None]), lengths


def decibels(ratio: torch.Tensor) -> torch.Tensor:
    return 20 * torch.log10(ratio)


def test_rows_are_laid_out_as_numpy_would(store: Path) -> None:
    opened = Store(store / "store")
    audio = audio_on(CPU, opened)
    plan = Plan(opened.clips, Symbols.load(store / "store"), 7, 30.0)
    rows = next(plan.batches())
    made, lengths = assemble(audio, rows, CPU)
    assert made.shape == (len(rows), max(row.samples for row in rows))
    assert lengths.tolist() == [row.samples for row in rows]
    clips = {clip.offset: opened.waveform(clip) for clip in opened.clips}
    for row, found in zip(rows, made.numpy(), strict=True):
        expected = np.zeros(len(found), np.float32)
        for piece in row.pieces:
            where = np.minimum(np.arange(piece.length) * piece.factor, piece.samples - 1)
            values = np.interp(where, np.arange(piece.samples), clips[piece.offset])
            values = values / (np.sqrt(np.mean(values**2)) + 1e-5)
            expected[piece.start : piece.start + piece.length] = values
        assert np.abs(found - expected).max() < 0.02


def test_a_row_is_the_same_alone_and_in_a_batch(store: Path) -> None:
    opened = Store(store / "store")
    audio = audio_on(CPU, opened)
    rows = next(Plan(opened.clips, Symbols.load(store / "store"), 7, 30.0).batches())
    together, _ = assemble(audio, rows, CPU)
    for row, found in zip(rows, together, strict=True):
        alone, _ = assemble(audio, [row], CPU)
        assert torch.allclose(alone[0], found[: row.samples], atol=1e-5)
        assert not found[row.samples :].any()


def test_a_faster_clip_is_shorter_and_higher() -> None:
    wave = (10000 * torch.sin(2 * np.pi * 440 * torch.arange(16000) / SAMPLE_RATE)).short()
    made, _ = assemble(wave, [Row([Piece(0, 16000, 1.25, 100, 12800)], 13000, [], [])], CPU)
    peak = torch.fft.rfft(made[0, 100:12900]).abs().argmax() * SAMPLE_RATE / 12800
    assert float(peak) == pytest.approx(550, abs=2)
    assert float(made[0, 100:12900].square().mean()) == pytest.approx(1.0, abs=0.01)


def test_levels_leave_padding_out() -> None:
    waves, lengths = tones()
    assert torch.allclose(level(waves, lengths), torch.full((6,), 0.5**0.5), atol=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_a_view_is_finite_inside_its_row_and_follows_from_the_seed(seed: int) -> None:
    waves, lengths = tones()
    made = augment(waves, lengths, generator(seed))
    assert made.shape == waves.shape
    assert made.isfinite().all()
    assert float(made.abs().max()) <= 1.0
    assert not made[0, lengths[0] :].any()
    assert torch.equal(made, augment(waves, lengths, generator(seed)))
    assert not torch.equal(made, augment(waves, lengths, generator(seed + 100)))


def test_silence_stays_finite() -> None:
    assert augment(torch.zeros(3, 5000), torch.full((3,), 5000), generator()).isfinite().all()


def test_a_filter_does_not_depend_on_the_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same random numbers a row alone is what it is in a batch."""
    waves, _ = tones(2)
    curves, echo = microphone(dice(3), 2, 8193), room(dice(4), 2)
    monkeypatch.setattr("training.run.augmentation.microphone", lambda d, batch, bins: curves[-batch:, :bins])
    monkeypatch.setattr("training.run.augmentation.band", lambda d, batch, bins: torch.zeros(batch, bins))
    monkeypatch.setattr("training.run.augmentation.room", lambda d, batch: echo[-batch:])
    together, alone = filtered(waves, dice()), filtered(waves[1:], dice())
    assert torch.allclose(together[1:], alone, atol=1e-4)


def test_a_room_adds_echo_behind_the_sound_in_some_rows() -> None:
    made = room(dice(), 400)
    assert (made[:, 0] == 1.0).all()
    echoes = made[:, 1:].norm(dim=1)
    assert 0.35 < float((echoes > 0).float().mean()) < 0.55
    assert float(echoes.max()) < 0.85


def test_a_telephone_keeps_its_band_and_no_microphone_is_flat() -> None:
    curves = band(dice(), 400, 801)
    hertz = torch.linspace(1, 8000, 801)
    telephone = curves[:, hertz > 5000].amax(1) < -5
    assert 0.1 < float(telephone.float().mean()) < 0.5
    assert (curves[:, (hertz > 500) & (hertz < 2900)] == 0).all()
    assert float(curves.min()) >= -50.0
    flat = (microphone(dice(), 400, 801) == 0).all(1)
    assert 0.2 < float(flat.float().mean()) < 0.4


def test_noise_has_unit_power_and_lies_so_far_below_the_speech() -> None:
    made = noise(dice(), 8, 16001)
    assert torch.allclose(made.square().mean(1), torch.ones(8), atol=1e-3)
    waves, lengths = tones(100, 4000)
    added = noisy(waves, lengths, dice()) - waves
    below = decibels(level(waves, lengths) / added.square().mean(1).sqrt())
    assert float(below.min()) > 2.0
    assert float(below.max()) < 51.0
    assert float(below.median()) > 15.0


def test_levels_are_spread_and_some_rows_are_clipped() -> None:
    waves, lengths = tones(200, 2000)
    waves = waves + 5.0 * (torch.arange(2000) == 100)
    made = recorded(waves, lengths, dice())
    levels = decibels(level(made, lengths))
    assert float(levels.min()) > -46
    assert float(levels.max()) < -12
    clipped = made.abs().amax(1) < 3.1 * level(made, lengths)
    assert 0.01 < float(clipped.float().mean()) < 0.15


def test_a_warp_of_one_changes_nothing_and_of_two_halves_a_band() -> None:
    mel = torch.arange(80.0).expand(2, 3, 80)
    made = warped(mel, torch.tensor([1.0, 2.0]))
    assert torch.allclose(made[0], mel[0], atol=2e-3)
    assert float(made[1, 0, 10]) == 20.0
    assert float(made[1, 0, 79]) == pytest.approx(79.0, abs=0.01)


def test_hiding_leaves_most_and_only_sets_to_zero() -> None:
    frames = torch.tensor([900, 900, 400, 100])
    made = hidden(torch.ones(4, 900, 80), frames, dice())
    assert set(made.unique().tolist()) == {0.0, 1.0}
    assert float(made.mean()) > 0.5
    assert torch.equal(augment_mel(made, frames, generator()), augment_mel(made, frames, generator()))
