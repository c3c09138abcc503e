"""URL paths of jobs and their results, below the path prefix of the proxy that forwarded the request."""

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
