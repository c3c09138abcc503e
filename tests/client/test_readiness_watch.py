"""Whether the service works on jobs is told while one waits: once, until it changes."""

import threading
from pathlib import Path
from typing import Any

import pytest
from shrutlekh import ShrutlekhClient
from shrutlekh.bulk import Outcome, Resumed, Stalled, Submission, plan
from shrutlekh.bulk.readiness_watch import ReadinessWatch

from tests.client.fake_service import READY, FakeService
from tests.client.test_submission import options_of, recordings_in

NO_WORKER = {"status": "not_ready", "checks": {"workers": {"ok": False, "count": 0}}, "draining": False}
NO_REDIS = {"status": "not_ready", "checks": {"redis": {"ok": False}, "workers": {"ok": False}}}
DRAINED = {**READY, "draining": True}
OLD_SERVICE = {"status": "ready", "checks": {}}


class Stops(threading.Event):
    """Lets a watch look at one answer after the other."""

    def __init__(self, service: FakeService, answers: list[dict[str, Any]]) -> None:
        super().__init__()
        self._service = service
        self._answers = iter(answers)

    def wait(self, timeout: float | None = None) -> bool:
        answer = next(self._answers, None)
        if answer is None:
            return True
        self._service.readiness = answer
        return False


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param([READY, READY], [], id="all is well"),
        pytest.param([OLD_SERVICE], [], id="a service that does not tell of drains"),
        pytest.param([DRAINED, DRAINED, DRAINED], ["drained"], id="drained"),
        pytest.param([NO_WORKER, NO_WORKER, READY], ["no running worker", "resumed"], id="absent at first"),
        pytest.param([READY, NO_WORKER, READY], [], id="seen once"),
        pytest.param(
            [READY, DRAINED, DRAINED, NO_WORKER, NO_WORKER, READY, READY],
            ["drained", "no running worker", "resumed"],
            id="drained, stopped, started",
        ),
        pytest.param([NO_REDIS, NO_REDIS], ["missing: redis, workers"], id="something else"),
    ],
)
def test_what_is_told(service: FakeService, answers: list[dict[str, Any]], told: list[str]) -> None:
    service.readiness = answers[0]
    reports: list[Stalled | Resumed] = []
    with ShrutlekhClient(service.url) as client:
        ReadinessWatch(client, reports.append, 0).run(Stops(service, answers[1:]))
    assert len(reports) == len(told)
    for report, words in zip(reports, told, strict=True):
        assert words in (report.reason if isinstance(report, Stalled) else "resumed")


def test_a_service_that_went_away_is_told() -> None:
    reports: list[Stalled | Resumed] = []
    stopped = threading.Event()
    stopped.set()
    with ShrutlekhClient("http://127.0.0.1:9") as client:
        ReadinessWatch(client, reports.append, 0).run(stopped)
    (report,) = reports
    assert isinstance(report, Stalled)
    assert "No Shrutlekh answers" in report.reason


def test_a_run_tells_while_it_waits(service: FakeService, tmp_path: Path) -> None:
    service.readiness, service.seconds = DRAINED, 3600
    told: list[str] = []
    with ShrutlekhClient(service.url) as client:
        recordings = plan([recordings_in(tmp_path / "in", 1)])
        for event in Submission(client, recordings, options_of(), watch_seconds=0.02).run():
            match event:
                case Stalled():
                    told.append("stalled")
                    service.readiness = READY
                case Resumed():
                    told.append("resumed")
                    for job in service.jobs.values():
                        job["done_at"] = 0.0
                case Outcome(status=status):
                    told.append(status)
    assert told == ["stalled", "resumed", "succeeded"]
