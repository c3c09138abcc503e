"""What `shrutlekh train` is going to do: decided before anything long starts, and kept for the next start."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from modelkit import read_manifest
from training.adaptation import common_voice
from training.adaptation.amount import ENCODER_SECONDS
from training.adaptation.holding_out import Parts, at_most, split
from training.adaptation.request import Request, TrainingRefused
from training.adaptation.survey import Clip, Reason, Survey, survey, write_clips
from training.text.sentences import forbidden_keys

PLAN, TRAIN_CLIPS, DEV_CLIPS = "plan.json", "train.tsv", "dev.tsv"


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of the survey.

    Attributes:
        speakers: seconds of training audio by speaker.
        sources: seconds of training audio by corpus.
        held_out: name of the held-out set.
        held_out_speakers: empty if the held-out clips are a manifest's, or drawn from all speakers.
        dropped: clips with a held-out sentence.
        skipped, examples: by reason, see `Survey`.
        frozen: whether only the heads are trained.
    """

    clips: int
    seconds: float
    speakers: dict[str, float]
    sources: dict[str, float]
    held_out: str
    held_out_clips: int
    held_out_seconds: float
    held_out_speakers: list[str]
    shared_speakers: list[str]
    dropped: int
    skipped: dict[str, int]
    examples: dict[str, list[str]]
    frozen: bool


def make_plan(
    request: Request, advance: Callable[[], None] = lambda: None
) -> tuple[Plan, list[Clip], list[Clip]]:
    """Survey the recordings and hold some out. Returns the plan, the clips to train on and the held-out ones.

    Raises:
        TrainingRefused: nothing is left to train on or to measure on.
        OSError, ValueError: a manifest is missing or violates the format; the message names the line.
    """
    manifests, dev, forbidden = list(request.manifests), list(request.dev), set[str]()
    if request.common_voice is not None:
        train, own_dev, never = _of_common_voice(request)
        manifests.append(train)
        dev += [] if request.dev or own_dev is None else [own_dev]
        forbidden |= forbidden_keys(never, ())
    if not request.keep_sentences:
        forbidden |= forbidden_keys(dev, ())
    kept_away = {entry.path.resolve() for path in dev for entry in read_manifest(path)}
    surveyed = survey(manifests, forbidden, kept_away, advance)
    skipped = dict(surveyed.skipped)
    if dev:
        measured = survey(dev, advance=advance)
        parts = Parts(surveyed.clips, measured.clips, ())
        name = " and ".join(path.resolve().parent.name for path in dev)
        for reason, count in measured.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
            surveyed.examples.setdefault(reason, []).extend(measured.examples[reason])
    else:
        parts = split(surveyed.clips, _known(request.hold_out, surveyed), request.keep_sentences)
        name = f"{request.name}, {'held-out speakers' if parts.speakers else 'held-out sentences'}"
    _refuse_nothing(parts, surveyed)
    chosen = at_most(parts.held_out, 60 * request.dev_minutes) or parts.held_out
    used = Survey(parts.train)
    plan = Plan(
        clips=len(parts.train),
        seconds=used.seconds,
        speakers=used.speakers,
        sources=_seconds_by_source(parts.train),
        held_out=name,
        held_out_clips=len(chosen),
        held_out_seconds=sum(clip.seconds for clip in chosen),
        held_out_speakers=list(parts.speakers),
        shared_speakers=sorted({c.speaker for c in chosen if c.speaker} & used.speakers.keys()),
        dropped=parts.dropped,
        skipped={str(reason): count for reason, count in skipped.items()},
        examples={str(reason): names for reason, names in surveyed.examples.items()},
        frozen=used.seconds < ENCODER_SECONDS if request.frozen is None else request.frozen,
    )
    return plan, parts.train, chosen


def _of_common_voice(request: Request) -> tuple[Path, Path | None, list[Path]]:
    """Write manifests of a Common Voice folder: to train on, to measure on (if it has a dev split), of both
    evaluation splits."""
    folder = common_voice.located(request.common_voice or Path())
    written = {}
    for split_name in dict.fromkeys((request.common_voice_split, *common_voice.EVALUATION_SPLITS)):
        if split_name == request.common_voice_split:
            rows = common_voice.training_rows(folder, split_name)
        else:
            rows = common_voice.read_split(folder, split_name)
        if rows:
            written[split_name] = request.work / folder.parent.name / f"{split_name}.tsv"
            common_voice.write_manifest(folder, rows, written[split_name])
    if request.common_voice_split not in written:
        raise TrainingRefused(f"{folder} has no clip in {request.common_voice_split}.tsv to train on.")
    evaluated = [written[name] for name in common_voice.EVALUATION_SPLITS if name in written]
    return written[request.common_voice_split], written.get("dev"), evaluated


def _known(speakers: Sequence[str], surveyed: Survey) -> Sequence[str]:
    unknown = sorted(set(speakers) - surveyed.speakers.keys())
    if unknown:
        known = ", ".join(sorted(surveyed.speakers)[:10])
        raise TrainingRefused(f"No usable clip is by {', '.join(unknown)} (--hold-out). Speakers: {known}.")
    return speakers


def _refuse_nothing(parts: Parts, surveyed: Survey) -> None:
    if parts.train and parts.held_out:
        return
    by_reason = sorted(surveyed.skipped.items(), key=lambda item: -item[1])
    told = "".join(f" {count} skipped: {reason}." for reason, count in by_reason)
    if parts.dropped or surveyed.skipped.get(Reason.HELD_OUT):
        told += " --keep-sentences trains on sentences of the held-out set, for a fixed set of phrases."
    which = "measure on" if parts.train else "train on"
    raise TrainingRefused(f"No clip is left to {which}.{told}")


def _seconds_by_source(clips: Sequence[Clip]) -> dict[str, float]:
    found: dict[str, float] = {}
    for clip in clips:
        found[clip.source] = found.get(clip.source, 0.0) + clip.seconds
    return found


def save_plan(request: Request, plan: Plan, train: Sequence[Clip], held_out: Sequence[Clip]) -> None:
    """Write the plan and its clips to the work folder; the plan last, so that it stands for all of it."""
    write_clips(request.work / TRAIN_CLIPS, train)
    write_clips(request.work / DEV_CLIPS, held_out)
    part = request.work / f"{PLAN}.part"
    kept = {"request": request.fingerprint(), "plan": asdict(plan)}
    part.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(request.work / PLAN)


def kept_plan(request: Request) -> Plan | None:
    """Return the plan of an earlier start with the same recordings and settings; None if there was none.

    Raises:
        TrainingRefused: the work folder has another run, or the plan cannot be read.
    """
    path = request.work / PLAN
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        plan, before = Plan(**kept["plan"]), dict(kept["request"])
    except (ValueError, TypeError, KeyError):
        raise TrainingRefused(f"{path} is of another version. Start over with --fresh.") from None
    now = json.loads(json.dumps(request.fingerprint()))
    changed = [name for name, value in now.items() if before.get(name) != value]
    if changed:
        raise TrainingRefused(
            f"{request.work} has a run with other recordings or settings ({', '.join(changed)}). Choose "
            "another --name or --work, or start over with --fresh."
        )
    return plan
