"""A running service at its URL: reachability, speed, readiness, version."""

import re
import statistics
import time
from typing import Any

import httpx
from shrutlekh_contract.hosts import is_loopback

from ops.doctor.findings import Area, Check, Finding, ok, problem, warning
from ops.installation import Installation
from shared.version import VERSION

ASKED = 5
SLOW_SECONDS = 0.5
ANSWER_SECONDS = 5.0


class Service:
    """The checks of the service at ``url``. Requests are not retried."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self.name = re.sub(r"//[^/]*@", "//", self._url)  # a password in it is not printed

    def alive(self, _installation: Installation) -> Finding:
        """``/healthz``, several times over one connection."""
        advice = (
            "Check that the API runs (`docker compose ps api`), that the URL is right, and the log of any "
            "proxy in between."
        )
        took = []
        try:
            with self._http() as http:
                for _ in range(ASKED):
                    began = time.perf_counter()
                    answer = http.get("/healthz")
                    took.append(time.perf_counter() - began)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            return problem(f"No Shrutlekh answers at {self.name}: {said}.", advice)
        if answer.status_code != httpx.codes.OK or _document(answer).get("status") != "ok":
            return problem(f"The server at {self.name} (HTTP {answer.status_code}) is not Shrutlekh.", advice)
        said = f"{self.name} answers in {statistics.median(took) * 1000:.0f} ms"
        if statistics.median(took) > SLOW_SECONDS:
            return warning(
                f"{said}, which is slow for a request that does nothing.",
                "Look at the load of its machine and at the network in between.",
            )
        return ok(f"{said}.")

    def ready(self, _: Installation) -> Finding:
        """``/readyz``."""
        with self._http() as http:
            document = _document(http.get("/readyz"))
        checks = document.get("checks", {})
        if document.get("status") == "ready":
            return ok(f"It is ready: {', '.join(checks)}.")
        wrong = [(name, check.get("detail") or "") for name, check in checks.items() if not check.get("ok")]
        details = " ".join(detail for _, detail in wrong if detail)
        return problem(
            f"It is not ready (missing: {', '.join(name for name, _ in wrong)}). {details}".strip(),
            "Run this command where the service runs: the checks of its parts say more.",
        )

    def version(self, _: Installation) -> Finding:
        """Does it have the same version as this command?"""
        with self._http() as http:
            theirs = _document(http.get("/openapi.json")).get("info", {}).get("version")
        if theirs == VERSION:
            return ok(f"It has version {VERSION}, like this command.")
        return warning(
            f"It has version {theirs}, this command {VERSION}.",
            "Bring both to the same version; an upgrade may have left an old process running.",
        )

    def checks(self) -> tuple[Check, ...]:
        """All of them."""
        return (
            Check(Area.SERVICE, "answers", self.alive, seconds=(ASKED + 1) * ANSWER_SECONDS),
            Check(Area.SERVICE, "ready", self.ready, needs=("answers",), seconds=2 * ANSWER_SECONDS),
            Check(Area.SERVICE, "version", self.version, needs=("answers",), seconds=2 * ANSWER_SECONDS),
        )

    def _http(self) -> httpx.Client:
        is_near = is_loopback(httpx.URL(self._url).host)
        # The environment's proxy cannot reach a service on this machine.
        return httpx.Client(base_url=self._url, timeout=ANSWER_SECONDS, trust_env=not is_near)


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
