"""URL paths of jobs and batches, below the path prefix of the proxy that forwarded the request."""

import uuid
from dataclasses import dataclass
from typing import Self

from starlette.types import Scope


@dataclass(frozen=True, slots=True)
class Paths:
    """Builds the paths that answers contain. ``prefix`` is empty, or as in "/speech"."""

    prefix: str = ""

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Return the paths for the answer to a request, whose scope ``api.http.proxies`` prepared."""
        return cls(scope.get("root_path", ""))

    def job(self, job_id: uuid.UUID) -> str:
        """Return the path to poll a job at."""
        return f"{self.prefix}/v1/jobs/{job_id}"

    def batch(self, batch_id: uuid.UUID) -> str:
        """Return the path to poll a batch at."""
        return f"{self.prefix}/v1/batches/{batch_id}"

    def jobs_of(self, batch_id: uuid.UUID) -> str:
        """Return the path that lists the jobs of a batch."""
        return f"{self.prefix}/v1/jobs?batch={batch_id}"
