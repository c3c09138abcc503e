"""The training loop, with checkpoints, measurements and logs."""

import csv
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.corpora.store import Store
from training.model.checkpoint import CHECKPOINT, Weights, write_whole
from training.model.network import ENCODER, Network
from training.recipe import SAMPLE_RATE, SHARES
from training.run.augmentation import Dice, assemble, augment, augment_mel
from training.run.batches import Plan, Row
from training.run.device import audio_on, chosen_device, half_precision
from training.run.heldout import Found, HeldOut, measure
from training.run.schedule import Settings, done_part, rate_factor
from training.run.watching import Pace, Watcher

LOSS, HELD_OUT = "loss.tsv", "held-out.tsv"
LOG_UPDATES = 20

Report = Callable[[int, str], None]


class Stopped(Exception):
    """A signal ended the run before its last update. A checkpoint was saved."""


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set while the context is open."""
    event = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = [signal.signal(number, lambda *_: event.set()) for number in numbers]
    try:
        yield event
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Append a row to a TSV file; a new file gets a header."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, row.keys(), delimiter="\t", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def layers_above(name: str, layers: int) -> int:
    """Count the encoder layers above that of a parameter; 0 for the last norm."""
    part, number = name.removeprefix(ENCODER).split(".")[:2]
    if part == "layers":
        return layers - 1 - int(number)
    return 0 if part == "norm" else layers + 1


def parameter_groups(network: Network, settings: Settings) -> list[dict[str, Any]]:
    """Group the parameters by learning rate and weight decay; `rate` is the highest rate of a group."""
    layers = len(network.encoder.layers)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = settings.head_rate
        if name.startswith(ENCODER):
            rate = settings.encoder_rate * settings.rate_decay ** layers_above(name, layers)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def ctc(logits: Tensor, frames: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Return the negative log-likelihood per symbol of `targets`: logits (B, T, symbols), frames (B)."""
    lengths = torch.tensor([len(target) for target in targets], device=logits.device)
    joined = torch.tensor([symbol for target in targets for symbol in target], device=logits.device)
    log_probs = F.log_softmax(logits.float(), dim=-1).transpose(0, 1)
    summed = F.ctc_loss(log_probs, joined.long(), frames, lengths, reduction="sum", zero_infinity=True)
    return summed / lengths.sum().clamp(min=1)


@dataclass(slots=True)
class Sums:
    """Sums since the last line of the log."""

    phones: float = 0.0
    characters: float = 0.0
    updates: int = 0
    spelt_updates: int = 0
    seconds_of_audio: float = 0.0


class Trainer:
    """A run in `folder`, where it writes checkpoint.pt, settings.json, loss.tsv and held-out.tsv."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        start: Weights,
        settings: Settings,
        held_out: Sequence[HeldOut] = (),
        report: Report = lambda _, __: None,
        shares: Mapping[str, float] | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """Move the network to its device and open the store's audio.

        Args:
            start: initial weights, whose symbols the run keeps.
            report: called with the number of updates done and a line to show.
            shares: shares of the groups of clips. Default: the recipe's.

        Raises:
            ValueError: the device is a GPU and torch finds none, or the store has no training clip.
        """
        torch.set_num_threads(settings.threads)
        self.folder, self.settings, self.held_out, self.report = folder, settings, held_out, report
        self.start, self.watcher = start, watcher or Watcher()
        self.device = chosen_device(settings.device)
        self.network = start.network().to(self.device).train()
        self.network.encoder.requires_grad_(not settings.freeze_encoder)
        groups = parameter_groups(self.network, settings)
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
        self.trained = {n: p for n, p in self.network.named_parameters() if p.requires_grad}
        self.average = {name: weight.detach().clone() for name, weight in self.trained.items()}
        self.plan = Plan(store.clips, start.symbols, settings.seed, settings.batch_seconds, shares or SHARES)
        self.audio = audio_on(self.device, store)
        self.update, self.seconds = 0, 0.0

    @property
    def path(self) -> Path:
        return self.folder / CHECKPOINT

    def averaged(self) -> Weights:
        """Return the moving average of the weights, which is measured and exported."""
        weights = {name: weight.detach().clone() for name, weight in self.network.state_dict().items()}
        weights.update({name: weight.clone() for name, weight in self.average.items()})
        start = self.start
        done = {
            "step": "refit" if self.settings.freeze_encoder else "train",
            "updates": self.update,
            "seconds": round(self.seconds),
            "batch_seconds": self.settings.batch_seconds,
        }
        steps = [*start.steps, done]
        return Weights(start.config, start.phones, start.characters, weights, start.hours, steps)

    def save(self) -> None:
        """Write the checkpoint atomically."""
        averaged = self.averaged()
        data = {
            "weights": self.network.state_dict(),
            "average": averaged.weights,
            "optimiser": self.optimiser.state_dict(),
            "update": self.update,
            "seconds": self.seconds,
            "settings": json.dumps(asdict(self.settings)),
            **averaged.facts(),
        }
        write_whole(self.path, data)

    def load(self) -> None:
        """Resume from the folder's checkpoint."""
        data = torch.load(self.path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(data["weights"])
        rates = [group["rate"] for group in self.optimiser.param_groups]
        self.optimiser.load_state_dict(data["optimiser"])
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["rate"] = rate
        for name, weight in self.average.items():
            weight.copy_(data["average"][name])
        self.update, self.seconds = data["update"], data["seconds"]

    def losses(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor | None]:
        """Compute the phone loss and, if a row is spelt, the spelling loss of a batch after augmentation."""
        settings = self.settings
        seed = settings.seed * 1_000_003 + self.update
        torch.manual_seed(seed)  # of dropout
        generator = torch.Generator(self.device).manual_seed(seed)
        with torch.no_grad():
            waveforms, lengths = assemble(self.audio, rows, self.device)
            mel, frames = self.network.log_mel(augment(waveforms, lengths, generator), lengths)
            mel = augment_mel(mel, frames, generator)
        frozen = settings.freeze_encoder
        with half_precision(self.device):
            with torch.set_grad_enabled(not frozen):
                states, frames = self.network.encoder(mel, frames, 0.0 if frozen else settings.dropout)
            logits = self.network.phone_head(states)
        phone_loss = ctc(logits, frames, [row.phones for row in rows])
        spelt = [number for number, row in enumerate(rows) if row.characters]
        if not spelt:
            return phone_loss, None
        index = torch.tensor(spelt, device=self.device)
        kept = ~Dice(generator).chance(settings.withheld, len(spelt), 1, 1)
        with half_precision(self.device):
            characters = self.network.spelling(
                states[index], logits[index].float(), frames[index], settings.dropout, kept.to(states.dtype)
            )
        return phone_loss, ctc(characters, frames[index], [rows[number].characters for number in spelt])

    def step(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor | None]:
        """Update the weights and their average. Returns the losses."""
        settings = self.settings
        factor = rate_factor(self.update, done_part(self.update, self.seconds, settings), settings)
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * factor
        phone_loss, spelling_loss = self.losses(rows)
        loss = settings.phone_weight * phone_loss + (0.0 if spelling_loss is None else spelling_loss)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(self.trained.values()), settings.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
        # The average forgets quickly at first, so that it does not keep the initial weights.
        keep = min(settings.average, (1 + self.update) / (10 + self.update))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.trained.values()), 1.0 - keep)
        self.update += 1
        return phone_loss.detach(), None if spelling_loss is None else spelling_loss.detach()

    def evaluate(self) -> list[Found]:
        """Measure greedy error rates of the averaged weights on the held-out sets; append to held-out.tsv."""
        network = self.averaged().network().to(self.device)
        found = [measure(network, self.start.characters, chosen) for chosen in self.held_out]
        for one in found:
            append_row(self.folder / HELD_OUT, {"update": self.update, **one.row()})
            self.report(self.update, str(one))
        self.watcher.measured(self.update, found)
        return found

    def _log(self, sums: Sums, elapsed: float) -> None:
        row = {
            "update": self.update,
            "seconds": round(self.seconds, 1),
            "rate_factor": round(
                rate_factor(self.update, done_part(self.update, self.seconds, self.settings), self.settings),
                4,
            ),
            "phone_loss": round(sums.phones / sums.updates, 4),
            "spelling_loss": round(sums.characters / max(1, sums.spelt_updates), 4),
            "speed": round(sums.seconds_of_audio / elapsed, 1),
        }
        append_row(self.folder / LOSS, row)
        self.report(self.update, "  ".join(f"{key} {value}" for key, value in row.items()))

    def _pace(self, sums: Sums, elapsed: float) -> Pace:
        settings, part = self.settings, done_part(self.update, self.seconds, self.settings)
        loss = settings.phone_weight * sums.phones / sums.updates
        return Pace(
            self.update,
            part,
            self.seconds,
            loss + sums.characters / max(1, sums.spelt_updates),
            settings.head_rate * rate_factor(self.update, part, settings),
            sums.seconds_of_audio / max(elapsed, 1e-6),
        )

    def _finished(self) -> bool:
        return done_part(self.update, self.seconds, self.settings) >= 1.0

    def run(self) -> None:
        """Train to the end. Returns at once if the run is already finished.

        Raises:
            Stopped: SIGTERM or SIGINT arrived. The checkpoint contains everything up to then.
        """
        if self._finished():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self.settings), indent=1)
        (self.folder / "settings.json").write_text(text, encoding="utf-8")
        began = logged = saved = measured = time.monotonic()
        before, sums = self.seconds, Sums()
        with stop_requests() as stop:
            for rows in self.plan.batches(self.update):
                phone_loss, spelling_loss = self.step(rows)
                now = time.monotonic()
                self.seconds = before + now - began
                sums.phones += float(phone_loss)
                sums.updates += 1
                if spelling_loss is not None:
                    sums.characters += float(spelling_loss)
                    sums.spelt_updates += 1
                sums.seconds_of_audio += sum(row.samples for row in rows) / SAMPLE_RATE
                self.watcher.paced(self._pace(sums, now - logged))
                last = self._finished()
                if self.update % LOG_UPDATES == 0 or last:
                    self._log(sums, now - logged)
                    logged, sums = now, Sums()
                if last or stop.is_set() or now - saved > self.settings.checkpoint_seconds:
                    self.save()
                    saved = time.monotonic()
                if stop.is_set() and not last:
                    raise Stopped
                if last or now - measured > self.settings.held_out_seconds:
                    self.evaluate()
                    measured = time.monotonic()
                    logged += measured - now
                if last:
                    return
