"""KEDA's queries are answered by a real Prometheus, and lead to the right number of workers."""

import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import missing
from tests.kubernetes.manifests import ROOT, Manifest, all_builds, combined, overlay

METRIC = re.compile(r"\bshrutlekh_[a-z0-9_]+")


def scaled() -> Manifest:
    return overlay("production").named("ScaledObject", "worker")


def triggers() -> dict[str, Manifest]:
    return {one["name"]: one["metadata"] for one in scaled()["spec"]["triggers"]}


def test_the_metrics_exist() -> None:
    text = (ROOT / "docs" / "monitor.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(shrutlekh_\w+)`", text, re.MULTILINE))
    asked = {name for one in triggers().values() for name in METRIC.findall(one["query"])}
    assert asked == {"shrutlekh_oldest_queued_seconds", "shrutlekh_workers", "shrutlekh_jobs"}
    assert asked <= documented


def test_what_is_scaled_exists_and_its_number_is_left_to_keda() -> None:
    seen = 0
    for build in all_builds():
        for manifest in build.of_kind("ScaledObject"):
            seen += 1
            target = build.named("Deployment", manifest["spec"]["scaleTargetRef"]["name"])
            assert "replicas" not in target["spec"]
            processes = build.settings()["SHRUTLEKH_WORKER_PROCESSES"]
            assert {one["metadata"]["threshold"] for one in manifest["spec"]["triggers"]} == {processes}
            assert manifest["spec"]["minReplicaCount"] >= 1  # /readyz wants a worker
    assert seen == 33


def test_nothing_is_removed_when_the_metrics_are_missing() -> None:
    spec = scaled()["spec"]
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    # KEDA falls back for metrics of this type.
    assert {one["metricType"] for one in spec["triggers"]} == {"AverageValue"}
    assert {one["metadata"]["ignoreNullValues"] for one in spec["triggers"]} == {"false"}


def test_workers_go_one_at_a_time_and_have_time_to_drain() -> None:
    spec = scaled()["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    (policy,) = spec["policies"]
    assert policy["value"] == 1
    worker = combined(("external-stores", "s3", "keda")).pod("worker")["spec"]
    assert policy["periodSeconds"] >= worker["terminationGracePeriodSeconds"]
    assert spec["stabilizationWindowSeconds"] >= 300


@pytest.mark.parametrize(
    ("age", "processes", "running", "pods"),
    [
        (0, 2, 0, 0),  # KEDA keeps minReplicaCount
        (0, 8, 7, 4),  # an empty queue, but seven jobs are running
        (60, 8, 8, 4),  # as fast as it should be
        (120, 8, 8, 8),  # twice as slow: twice as many
        (20, 8, 8, 4),  # faster than needed, and all are busy
        (90, 0, 0, 1),  # no worker is left
        (3600, 2, 2, 60),  # KEDA stops at maxReplicaCount
    ],
)
def test_the_number_of_workers_follows_the_age_of_the_queue(
    tmp_path: Path, age: int, processes: int, running: int, pods: int
) -> None:
    """promtool runs Prometheus' own engine; the division is that of a HorizontalPodAutoscaler."""
    wanted = {
        "queue-age": age / 60 * max(processes, 1),
        "running": float(running),
    }
    series = {
        'shrutlekh_oldest_queued_seconds{instance="api-1"}': age,
        'shrutlekh_oldest_queued_seconds{instance="api-2"}': age,
        'shrutlekh_workers{instance="api-1"}': processes,
        'shrutlekh_workers{instance="api-2"}': processes,
        'shrutlekh_jobs{instance="api-1",status="running"}': running,
        'shrutlekh_jobs{instance="api-1",status="queued"}': 12345,
    }
    check(tmp_path, series, {name: [{"labels": "{}", "value": value}] for name, value in wanted.items()})
    threshold = {name: int(one["threshold"]) for name, one in triggers().items()}
    assert max(math.ceil(value / threshold[name]) for name, value in wanted.items()) == pods


def test_without_metrics_there_is_no_answer(tmp_path: Path) -> None:
    """And not 0, which would remove workers."""
    check(tmp_path, {"up": 1}, {"queue-age": [], "running": []})
    # The database is away: the API exports no metrics of the queue.
    check(tmp_path, {"shrutlekh_workers": 4}, {"queue-age": [], "running": []})


def check(folder: Path, series: dict[str, int], answers: dict[str, list[Manifest]]) -> None:
    """Let promtool evaluate the queries over these series."""
    promtool = shutil.which("promtool") or missing("promtool (Debian's package prometheus)")
    tests = {
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": f"{value}x8"} for name, value in series.items()],
                "promql_expr_test": [
                    {"expr": triggers()[name]["query"], "eval_time": "1m", "exp_samples": samples}
                    for name, samples in answers.items()
                ],
            }
        ],
    }
    path = folder / "queries_test.yml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(tests))), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
