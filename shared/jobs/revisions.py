"""Texts that people have corrected, beside the segments of the machine, which never change."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, undefer

from shared.clock import now
from shared.database import Database
from shared.errors import RevisionConflict
from shared.jobs.queries import get_job
from shared.jobs.tables import Job, RevisionRow

MOST_KEPT: Final = 20
"""Revisions kept of a job. Older ones are erased when a new one is saved."""

SITTING: Final = timedelta(minutes=10)
"""A save so soon after the last one, by the same editor, replaces it: editors save every few words."""


class Version(NamedTuple):
    """Which text it is: the number of the revision, and how often that was saved. (0, 0) is the machine's."""

    number: int
    saves: int


def save_revision(
    session: Session,
    job_id: uuid.UUID,
    tenant: str | None,
    *,
    segments: Sequence[dict[str, Any]],
    editor: str,
    expected: Version | None = None,
) -> RevisionRow:
    """Save a corrected text as the newest revision of a job that has succeeded.

    Args:
        tenant: whose job it must be; None for anybody's.
        segments: as in :class:`shared.jobs.tables.RevisionRow`.
        editor: prefix of the API key that saves it; empty without one.
        expected: the version that the editor began with; None overwrites whatever there is.

    Raises:
        JobNotFound: as :func:`shared.jobs.queries.get_job`.
        RevisionConflict: somebody else has saved a text since.
    """
    job = _locked(session, job_id, tenant)
    newest = session.get(RevisionRow, (job_id, job.revision)) if job.revision else None
    current = Version(newest.number, newest.saves) if newest else Version(0, 0)
    texts = list(segments)
    if expected not in (None, current):
        if newest is not None and newest.editor == editor and newest.segments == texts:
            return newest  # the answer was lost, and the client repeats its request
        raise RevisionConflict(
            "Somebody has saved another text meanwhile. Read the newest one and correct that.",
            extra={"number": current.number, "saves": current.saves},
        )
    moment = now()
    if newest is not None and newest.editor == editor and moment - newest.saved_at < SITTING:
        newest.segments = texts
        newest.saves += 1
        newest.saved_at = moment
        return newest
    row = RevisionRow(
        job_id=job_id,
        number=job.revisions + 1,
        saves=1,
        created_at=moment,
        saved_at=moment,
        editor=editor,
        segments=texts,
    )
    session.add(row)
    job.revision = job.revisions = row.number
    too_old = RevisionRow.number <= row.number - MOST_KEPT
    session.execute(delete(RevisionRow).where(RevisionRow.job_id == job_id, too_old))
    return row


def drop_revisions(session: Session, job_id: uuid.UUID, tenant: str | None = None) -> None:
    """Erase all revisions of a job, so that its text is the machine's again.

    Raises:
        JobNotFound: as :func:`shared.jobs.queries.get_job`.
    """
    job = _locked(session, job_id, tenant)
    job.revision = None
    session.execute(delete(RevisionRow).where(RevisionRow.job_id == job_id))


def revisions_of(session: Session, job_id: uuid.UUID) -> Sequence[RevisionRow]:
    """Return the revisions of a job without their texts, newest first."""
    of_job = select(RevisionRow).where(RevisionRow.job_id == job_id)
    return session.scalars(of_job.order_by(RevisionRow.number.desc())).all()


def read_revision(database: Database, job_id: uuid.UUID, number: int) -> RevisionRow | None:
    """Return a revision with its text, or None."""
    with database.read() as session:
        return session.get(RevisionRow, (job_id, number), options=[undefer(RevisionRow.segments)])


def _locked(session: Session, job_id: uuid.UUID, tenant: str | None) -> Job:
    """Return a job whose row nobody else changes until the transaction ends."""
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update())  # in SQLite, writers take turns
    return get_job(session, job_id, tenant)
