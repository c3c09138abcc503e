"""A real Prometheus reads the metrics of a whole service, by the rules and for the dashboard of deploy/."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "shrutlekh.json"
METRIC = re.compile(r"\bshrutlekh_[a-z0-9_]+")

pytestmark = pytest.mark.stack


def tool(name: str) -> str:
    return shutil.which(name) or missing(f"{name} (Debian's package prometheus)")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses by job of a service that has transcribed one recording and refused another."""
    data = tmp_path_factory.mktemp("service")
    ports = {"worker": free_port(), "sweeper": free_port()}
    environment = os.environ | {
        f"SHRUTLEKH_{name.upper()}_METRICS_PORT": str(port) for name, port in ports.items()
    }
    line = [sys.executable, "-m", "ops", "serve", "--port", "0", "--data", str(data)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("Shrutlekh is ready at http://"), said
    url = said.split()[-1]
    with httpx.Client(base_url=url, timeout=60) as http:
        recording = (ROOT / "samples" / "rain.wav").read_bytes()
        assert http.post("/transcribe/", files={"file": recording}).status_code == 200
        assert http.post("/transcribe/", files={"file": b"no audio"}).status_code == 422
        assert http.get("/v1/there-is-no-such-thing").status_code == 404
    yield {"api": url.removeprefix("http://")} | {job: f"127.0.0.1:{port}" for job, port in ports.items()}
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0


@pytest.fixture(scope="module")
def prometheus(targets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus that has scraped all of it and evaluated the rules."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES / "rules.yml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    port = free_port()
    command = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as http:

        def has_looked() -> bool:
            try:
                answer = http.get("/rules")
            except httpx.TransportError:
                return False
            if answer.status_code == 503:  # it listens, and still reads its configuration
                return False
            rules = answer.json()["data"]["groups"][0]["rules"]
            return len(query(http, "up == 1")) == len(targets) and all(
                r["health"] != "unknown" for r in rules
            )

        wait_for(has_looked)
        yield http
    process.terminate()
    process.wait(30)


def query(http: httpx.Client, expression: str) -> list[dict[str, Any]]:
    answer = http.get("/query", params={"query": expression}).json()
    assert answer["status"] == "success", (expression, answer)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def dashboard_expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [
        target["expr"].replace("$__rate_interval", "1m") for panel in panels for target in panel["targets"]
    ]


def test_every_metric_that_is_named_exists(prometheus: httpx.Client) -> None:
    text = (RULES / "rules.yml").read_text(encoding="utf-8") + "\n".join(dashboard_expressions())
    named = set(METRIC.findall(text))
    assert len(named) > 20
    known = set(prometheus.get("/label/__name__/values").json()["data"])
    assert named <= known, named - known


def test_no_alert_fires_and_no_rule_is_broken(prometheus: httpx.Client) -> None:
    (group,) = prometheus.get("/rules").json()["data"]["groups"]
    assert {
        rule["name"]: rule.get("lastError", "") for rule in group["rules"] if rule["health"] != "ok"
    } == {}
    assert not [rule["name"] for rule in group["rules"] if rule["state"] == "firing"]


def test_every_panel_can_be_drawn(prometheus: httpx.Client) -> None:
    for expression in dashboard_expressions():
        query(prometheus, expression)


def test_what_was_done_is_counted_across_processes(prometheus: httpx.Client) -> None:
    def value(expression: str) -> float:
        (found,) = query(prometheus, expression)
        return float(found["value"][1])

    wait_for(lambda: value('sum(shrutlekh_jobs_ended_total{status="succeeded"})') == 1)
    assert value("sum(shrutlekh_jobs_submitted_total)") == 2
    assert value('sum(shrutlekh_jobs_ended_total{status="failed",code="audio_unreadable"})') == 1
    assert 3.0 < value("sum(shrutlekh_audio_seconds_total)") < 3.4
    assert 0.0 < value("sum(shrutlekh_speech_seconds_total)") <= value("sum(shrutlekh_audio_seconds_total)")
    assert value('sum(shrutlekh_stage_seconds_total{stage="infer"})') > 0
    assert value("sum(shrutlekh_real_time_factor_count)") == 1
    assert value("sum(shrutlekh_batch_fill_count)") == 1
    assert value("max(shrutlekh_warm_up_seconds)") > 0
    assert value("shrutlekh_workers") >= 1
    lost = 'shrutlekh_http_request_seconds_count{route="(none)",status="404"}'
    assert value(lost) == 1  # no label of what somebody typed


def test_rules_and_their_tests(tmp_path: Path) -> None:
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "rules_test.yml")):
        done = subprocess.run([tool("promtool"), *arguments], cwd=RULES, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
