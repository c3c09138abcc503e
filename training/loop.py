"""The training loop."""

import csv
import json
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from training.batches import Batch, BatchDataset, Plan, Symbols
from training.checkpoint import Checkpoint
from training.device import chosen_device, half_precision, keep_loading, loaders_for
from training.heldout import HeldOut, measure
from training.masking import blurred, hidden, warped
from training.network import Network, NetworkConfig
from training.schedule import Settings, done_part, learning_rate
from training.store import Store


def network_config(symbols: Symbols, settings: Settings) -> NetworkConfig:
    """The network that a run of these settings trains on a store with these symbols."""
    return NetworkConfig(
        phones=len(symbols.phones),
        characters=len(symbols.characters),
        width=settings.width,
        inner_blocks=settings.inner_blocks,
    )


class _From(Sampler[int]):
    def __init__(self, start: int, stop: int) -> None:
        self._range = range(start, stop)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


def losses(network: Network, batch: Batch, warm: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Phone and spelling CTC, each a symbol's negative log-likelihood."""
    device = batch.waveforms.device
    generator = torch.Generator(device).manual_seed(seed * 1_000_003 + batch.seed)
    with torch.no_grad():
        mel, frames = network.log_mel(batch.waveforms, batch.lengths)
        if not warm:
            mel = hidden(warped(mel, batch.warp), frames, generator)
    with half_precision(device):
        logits, frames = network.encode(mel, frames)
        logits = logits.float()
        phones = F.log_softmax(logits, dim=-1)
        phone_loss = F.ctc_loss(
            phones.transpose(0, 1),
            batch.phones,
            frames,
            batch.phone_lengths,
            reduction="sum",
            zero_infinity=True,
        ) / batch.phone_lengths.sum().clamp(min=1)
        if not len(batch.spelt):
            return phone_loss, phone_loss.new_zeros(())
        counts = frames[batch.spelt]
        chosen = logits[batch.spelt][:, : int(counts.max())]
        if not warm:
            chosen = blurred(chosen, batch.blur[batch.spelt], generator)
        characters = network.spell(F.log_softmax(chosen, dim=-1), counts)
        spelling_loss = F.ctc_loss(
            characters.transpose(0, 1), batch.characters, counts, batch.character_lengths,
            reduction="sum", zero_infinity=True,
        ) / batch.character_lengths.sum().clamp(min=1)  # fmt: skip
    return phone_loss, spelling_loss


class Stopped(Exception):
    """A signal ended the run before its last update; the checkpoint is kept."""


def _append(path: Path, row: dict[str, object]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, row.keys(), delimiter="\t", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def train(
    work: Path,
    settings: Settings,
    held_out: list[HeldOut],
    resume: bool,
    initial: dict[str, Tensor] | None,
    report: Callable[[int, str], None],
) -> Path:
    """Train and return the checkpoint's path. `initial` are weights to start from.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: the device is a GPU and torch sees none.
        Stopped: SIGTERM or SIGINT came; everything up to then is in the checkpoint.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    store = Store(work / "store")
    symbols = Symbols.load(work / "store")
    path = work / "checkpoint.pt"
    config = network_config(symbols, settings)
    first, spent = 0, 0.0
    device = chosen_device(settings.device)
    network = Network(config).to(device)
    if initial is not None:
        network.load_state_dict(initial)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=settings.peak,
        betas=(0.9, 0.98),
        fused=True,
    )
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    if resume and path.exists():
        saved = Checkpoint.load(path)
        network.load_state_dict(saved.weights)
        if saved.optimiser:  # a blend of runs has none
            optimiser.load_state_dict(saved.optimiser)
        first, spent = saved.update, saved.seconds
        for name, weight in average.items():
            weight.copy_(saved.average[name])
    (work / "settings.json").write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
    plan = Plan(
        store.clips,
        settings.seed,
        settings.updates,
        settings.warm_updates,
        settings.batch_seconds,
        settings.real_share,
        settings.real_part,
    )
    loader = DataLoader(
        BatchDataset(store, symbols, plan, settings.seed),
        batch_size=None,
        sampler=_From(first, settings.updates if done_part(first, spent, settings) < 1.0 else first),
        num_workers=loaders_for(device),
        prefetch_factor=6,
        pin_memory=device.type == "cuda",
        worker_init_fn=keep_loading,
    )
    began, saved_at, logged = time.monotonic() - spent, time.monotonic(), time.monotonic()
    sums = [0.0] * 5
    live = [v for k, v in network.state_dict().items() if k in average]
    kept = [average[k] for k in network.state_dict() if k in average]

    def save(update: int) -> None:
        Checkpoint(
            config, update, network.state_dict(), average, optimiser.state_dict(), time.monotonic() - began
        ).save(path)

    stopping = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    previous = [signal.signal(s, lambda *_: stopping.set()) for s in signals]
    for update, batch in enumerate(loader, start=first):
        warm = update < settings.warm_updates and initial is None
        part = done_part(update, time.monotonic() - began, settings)
        rate = learning_rate(update, part, settings)
        for group in optimiser.param_groups:
            group["lr"] = rate
        phone_loss, spelling_loss = losses(network, batch.to(device), warm, settings.seed)
        loss = phone_loss + settings.spelling_weight * spelling_loss
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        if torch.isfinite(norm):
            optimiser.step()
        # A short memory at first: the average must not carry the random start along.
        keep = min(settings.average, (update + 1) / (update + 20))
        torch._foreach_lerp_(kept, live, 1.0 - keep)
        sums[0] += phone_loss.item()
        sums[4] += 1
        if len(batch.spelt):
            sums[1] += spelling_loss.item()
            sums[2] += 1
        sums[3] += float(batch.lengths.sum()) / config.sample_rate
        done = update + 1
        last = done == settings.updates or part >= 1.0
        if done % 50 == 0 or last:
            now = time.monotonic()
            row = {
                "update": done,
                "seconds": round(now - began, 1),
                "learning_rate": f"{rate:.3e}",
                "phone_loss": round(sums[0] / sums[4], 4),
                "spelling_loss": round(sums[1] / max(1.0, sums[2]), 4),
                "speed": round(sums[3] / (now - logged), 1),
            }
            _append(work / "loss.tsv", row)
            report(done, "  ".join(f"{k} {v}" for k, v in row.items()))
            sums, logged = [0.0] * 5, now
        due = time.monotonic() - saved_at > settings.checkpoint_seconds
        if due or stopping.is_set() or last:
            save(done)
            saved_at = time.monotonic()
        if stopping.is_set():
            break
        if held_out and (done % settings.held_out_every == 0 or done in (300, 500) or last):
            view = Network(config).to(device)
            view.load_state_dict(average)
            for group_ in held_out:
                found = measure(view.eval(), symbols, group_)
                _append(work / "held-out.tsv", {"update": done, **found.row()})
                report(done, str(found))
            logged = time.monotonic()
        if last:
            break
    for number, handler in zip(signals, previous, strict=True):
        signal.signal(number, handler)
    if stopping.is_set():
        raise Stopped
    return path
