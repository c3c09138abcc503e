"""Compare clocks. Leases go by the database's, heartbeats by Redis', and the rest by each machine's own."""

from collections.abc import Callable
from datetime import datetime

from ops.doctor.findings import Finding, ok, warning
from shared.clock import now

TOLERATED_SECONDS = 1.0
ADVICE = "Synchronise all machines of the service with a time server: systemd-timesyncd, chrony or ntpd."


def compare(whose: str, ask: Callable[[], datetime]) -> Finding:
    """Compare another clock with this machine's.

    Args:
        ask: reads the other clock. Its answer counts as the time in the middle of the call.
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
    return warning(f"{said}.", ADVICE)
