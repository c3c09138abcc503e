"""Settle batches whose jobs have all ended, and send the webhook that tells it."""

from shared.database import Database
from shared.jobs import has_settled, settle_batches
from shared.webhooks import enqueue_batch

AT_ONCE = 100


class Settler:
    """Settles batches. Several processes may do so at once: each batch is settled by one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def settle_finished(self) -> int:
        """Settle finished batches, each with its webhook in the same transaction. Returns their number.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self._database.read() as session:
            if not has_settled(session):
                return 0
        with self._database.write() as session:
            settled = settle_batches(session, AT_ONCE)
            for batch in settled:
                if url := batch.options.get("webhook_url"):
                    enqueue_batch(session, batch_id=batch.id, tenant=batch.tenant, url=url)
        return len(settled)
