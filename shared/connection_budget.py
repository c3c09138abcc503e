"""How many connections to the database each kind of process holds at most.

Postgres gives each connection a process of its own, so their number is a budget. The doctor compares it with
``max_connections``.
"""

from typing import Final

API: Final = 19
"""An API process: one for each thread that uses one, see `api.threads`; a test compares the two."""
WORKER_PROCESS: Final = 2
"""A process of a worker: its job, and the renewal of leases while a model is loaded."""
SWEEPER: Final = 1
COURIER: Final = 4
"""The courier of webhooks, in the sweeper's process."""
COMMAND: Final = 2
"""A command of an operator, or a migration."""


def needed(*, apis: int, worker_processes: int) -> int:
    """Return the connections of an installation with one sweeper, and room for a command and a migration."""
    return API * apis + WORKER_PROCESS * worker_processes + SWEEPER + COURIER + 2 * COMMAND
