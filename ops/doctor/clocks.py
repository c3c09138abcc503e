"""Compare clocks: each machine judges leases and heartbeats by its own clock."""

from collections.abc import Callable
from datetime import datetime

from ops.doctor.findings import Finding, ok, problem, warning
from shared.clock import now

TOLERATED_SECONDS = 1.0
ADVICE = "Synchronise all machines of the service with a time server: systemd-timesyncd, chrony or ntpd."


def compare(whose: str, ask: Callable[[], datetime], grave: float) -> Finding:
    """Compare another clock with this machine's.

    Args:
        ask: reads the other clock. Its answer counts as the time in the middle of the call.
        grave: difference in seconds from which leases and heartbeats break.
    """
    before = now()
    theirs = ask()
    after = now()
    ours = before + (after - before) / 2
    apart = (theirs - ours).total_seconds()
    known_to = (after - before).total_seconds() / 2
    if abs(apart) <= TOLERATED_SECONDS + known_to:
        return ok(f"The clocks of {whose} and of this machine agree within {abs(apart) + known_to:.2f} s.")
    said = (
        f"The clock of {whose} is {abs(apart):.1f} s {'ahead of' if apart > 0 else 'behind'} this machine's"
    )
    if abs(apart) >= grave:
        return problem(
            f"{said}: a worker with such a clock counts as gone, and leases end early or late.", ADVICE
        )
    return warning(f"{said}.", ADVICE)
