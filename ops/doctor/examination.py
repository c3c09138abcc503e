"""Running the checks: one that crashes or hangs does not stop the others."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from ops.doctor.findings import Check, Finding, Result, Verdict, problem, skipped
from ops.installation import Installation

OnCheck = Callable[[Check], None]


def examine(
    checks: Iterable[Check], installation: Installation, on_check: OnCheck = lambda _: None
) -> list[Result]:
    """Run the checks one after another. ``on_check`` is called before each."""
    results: list[Result] = []
    bad: set[str] = set()
    for check in checks:
        on_check(check)
        began = time.monotonic()
        missing = [name for name in check.needs if name in bad]
        finding = skipped(f"Not known without: {missing[0]}.") if missing else _look(check, installation)
        if finding.verdict in (Verdict.PROBLEM, Verdict.SKIPPED):
            bad.add(check.name)
        results.append(Result(check.area, check.name, finding, time.monotonic() - began))
    return results


def worst(results: Sequence[Result]) -> Verdict:
    """The overall verdict: PROBLEM before WARNING before OK."""
    verdicts = {result.finding.verdict for result in results}
    return next((each for each in (Verdict.PROBLEM, Verdict.WARNING) if each in verdicts), Verdict.OK)


def _look(check: Check, installation: Installation) -> Finding:
    found: list[Finding] = []

    def look() -> None:
        found.append(_guarded(check, installation))

    # A daemon: a check that hangs must not keep the command from ending.
    looker = threading.Thread(target=look, name=check.name, daemon=True)
    looker.start()
    looker.join(check.seconds)
    if found:
        return found[0]
    return problem(
        f"It did not answer within {check.seconds:g} seconds.",
        "Something hangs: a network that drops packets, a disk that does not answer, or a lock that is held.",
    )


def _guarded(check: Check, installation: Installation) -> Finding:
    try:
        return check.examine(installation)
    except Exception as error:  # noqa: BLE001 - every error is a finding
        return problem(
            f"The check broke off with {type(error).__name__}: {installation.reason(error)}",
            "If the sentence does not say why, this is a fault of the check: please report it.",
        )
