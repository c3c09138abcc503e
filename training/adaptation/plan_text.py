"""The plan of a training as text."""

from collections.abc import Iterator

from training.adaptation.plan import Plan
from training.adaptation.request import Request
from training.run.schedule import Settings


def plan_lines(
    plan: Plan, request: Request, settings: Settings, on_gpu: bool, base_name: str
) -> Iterator[str]:
    """Yield what is going to be done, for the user to check."""
    speakers = len([name for name in plan.speakers if name])
    yield f"Train on {plan.seconds / 3600:.2f} h: {plan.clips:,} clips, {speakers or 'unknown'} speakers."
    voices = ""
    if plan.held_out_speakers:
        voices = f", the speakers {_listed(plan.held_out_speakers)}"
    measured = f"{plan.held_out_clips:,} clips, {plan.held_out_seconds / 60:.1f} min{voices}"
    yield f"Measure on {plan.held_out}: {measured}. They are never trained on."
    if plan.shared_speakers:
        yield (
            f"Note: {_listed(plan.shared_speakers)} speak in both parts, so the error rate for new voices "
            "is higher than the measured one."
        )
    if plan.dropped:
        yield f"Left out: {plan.dropped} clips that have a held-out sentence (--keep-sentences)."
    for reason, count in sorted(plan.skipped.items(), key=lambda item: -item[1]):
        examples = plan.examples.get(reason, [])[:3]
        more = ", ..." if count > len(examples) else ""
        yield f"Skipped: {count} clips, {reason}: {', '.join(examples)}{more}"
    start = "Whisper's encoder, all weights" if request.from_scratch else base_name
    if not request.from_scratch:
        if plan.frozen:
            start += ", the heads only (with more audio, or --encoder-rate 1e-4, the encoder too)"
        else:
            start += f", all weights, the encoder at a rate of {settings.encoder_rate:g}"
    yield f"Start from {start}."
    limit = "" if settings.minutes is None else f" or {settings.minutes:g} minutes"
    yield (
        f"{settings.updates} updates{limit} of {settings.batch_seconds:g} s of audio on the "
        f"{'GPU' if on_gpu else f'CPU ({settings.threads} threads)'}. Work folder: {request.work}"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
