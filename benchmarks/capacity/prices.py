"""What an hour of audio costs, with prices that the reader puts in."""

from dataclasses import dataclass
from math import ceil

from benchmarks.capacity.plan import FILLED, Need, Setup

RETENTION_DAYS = 30
DAYS_A_MONTH = 30.4


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in any currency. The defaults are round examples, and no vendor's.

    Attributes:
        core_hour: of a core, with its memory, whether it works or not.
        file_month: of a GB of recordings for a month.
        database_month: of a GB of database for a month, with its backup.
    """

    core_hour: float = 0.04
    file_month: float = 0.02
    database_month: float = 0.20


EXAMPLE = Prices()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of an hour of audio: what it takes, and the sum in the currency of the prices."""

    core_hours: float
    files: float
    database: float
    total: float


def cost_of(need: Need, setup: Setup, prices: Prices = EXAMPLE) -> Cost:
    """Return the cost of an hour of audio, if the cores of the busiest hour run all day.

    Cores of API and Postgres are counted like those of workers; one is added for Redis and sweeper.
    """
    cores = need.cores + max(ceil(need.api / FILLED), 1) + ceil(setup.postgres / need.costs.commits) * 2 + 1
    core_hours = cores * 24 / need.hours
    months = RETENTION_DAYS / DAYS_A_MONTH
    files = need.stored / need.hours * months
    database = need.database / need.hours * months
    total = core_hours * prices.core_hour + files * prices.file_month + database * prices.database_month
    return Cost(core_hours, files, database, total)
