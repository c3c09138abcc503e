"""What must hold for every file, whatever it is."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import RECORDING_ERRORS
from tests.fuzz.mutations import MUTATIONS, Case
from tests.fuzz.pool import Ended

TOLERANCE_SECONDS = 0.1
"""A decoder that is cut short may flush a frame that it would else have gone on from."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold, and the file that shows it."""

    name: str
    what: str
    content: bytes


def of_any(name: str, content: bytes, ended: Ended) -> list[Finding]:
    """It ended at once, by itself, with a code that is the recording's or a result."""
    found = []
    if ended.trail and set(ended.trail) - RECORDING_ERRORS:
        found.append(Finding(name, f"went wrong: {', '.join(ended.trail)}. {ended.message}", content))
    elif ended.code is not None and ended.code not in RECORDING_ERRORS:
        found.append(Finding(name, f"failed with {ended.code}: {ended.message}", content))
    elif ended.code is not None and not ended.message.endswith((".", "!")):
        found.append(Finding(name, f"failed without a sentence: {ended.message!r}", content))
    return found


def of_case(case: Case, ended: Ended, originals: Mapping[str, Ended]) -> list[Finding]:
    """Beyond that: what is harmless is read as before, what is cut is not longer."""
    name = f"{case.number:04d} {case.seed.name}, {case.mutation}"
    found = of_any(name, case.content, ended)
    original, mutation = originals[case.seed.name], MUTATIONS[case.mutation]
    if mutation.harmless and (ended.code, ended.seconds, ended.text) != (
        None,
        original.seconds,
        original.text,
    ):
        found.append(
            Finding(
                name,
                f"is harmless, but gives {ended.code or ended.text!r} and {ended.seconds} s instead of "
                f"{original.text!r} and {original.seconds} s",
                case.content,
            )
        )
    if mutation.cuts and (ended.seconds or 0.0) > (original.seconds or 0.0) + TOLERANCE_SECONDS:
        found.append(
            Finding(name, f"is cut and has {ended.seconds} s, more than {original.seconds} s", case.content)
        )
    return found
