"""All checks of an installation, each after the checks that it needs."""

from collections.abc import Collection

from ops.doctor import data, database, exposure, jobs, machine, messages, model, recordings, workers
from ops.doctor.findings import Area, Check
from ops.doctor.service import Service
from ops.installation import Installation


def checks_of(installation: Installation | None, url: str | None, only: Collection[Area]) -> list[Check]:
    """Return the checks to run.

    Args:
        installation: None if its settings cannot be read; then only the service is checked.
        url: URL of a running service, whose checks come last.
        only: areas to check, together with the checks that they need; empty for all.
    """
    everything: list[Check] = []
    if installation is not None:
        everything += machine.CHECKS
        everything += data.CHECKS
        everything += database.checks(installation.is_sqlite)
        everything += messages.CHECKS
        everything += workers.CHECKS
        everything += model.CHECKS
        everything += jobs.CHECKS
        everything += recordings.CHECKS
        everything += exposure.CHECKS
    if url is not None:
        everything += Service(url).checks()
    if not only:
        return everything
    wanted = {check.name for check in everything if check.area in only}
    for check in reversed(everything):  # what a check needs comes before it
        if check.name in wanted:
            wanted |= set(check.needs)
    return [check for check in everything if check.name in wanted]
