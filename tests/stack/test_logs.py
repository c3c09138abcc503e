"""What a whole service writes to its logs about a job."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-that-nobody-else-should-see"
NAME = "मुलाक़ात.wav"
HOTWORD = "देहरादून"
CLIENT = "newsroom-of-somebody"
FROM_A_SIGNAL_HANDLER = "worker: Warm shutdown (MainProcess)"  # Celery's, where no logger may be used


def test_lines_are_json_with_the_jobs_id_and_nothing_private(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "ops", "serve", "--port", "0", "--data", str(tmp_path)]
    environment = os.environ | {"SHRUTLEKH_WORKER_PROCESSES": "1"}
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    with httpx.Client(base_url=url, timeout=60) as http:
        good = http.post(
            "/v1/jobs",
            files={"file": (NAME, (ROOT / "samples" / "rain.wav").read_bytes())},
            data={"hotwords": HOTWORD, "client": CLIENT},
            headers={"Idempotency-Key": KEY},
        ).json()
        bad = http.post("/v1/jobs", files={"file": (NAME, b"no audio")}).json()
        for job in (good, bad):
            assert http.get(f"/v1/jobs/{job['id']}", params={"wait": 60}).json()["status"] in (
                "succeeded",
                "failed",
            )
        words = http.get(f"/v1/jobs/{good['id']}/transcript").json()["text"].split()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    lines: dict[str, list[dict[str, Any]]] = {
        name: [
            json.loads(line)
            for line in (tmp_path / "logs" / f"{name}.log").read_text().splitlines()
            if line not in ("", FROM_A_SIGNAL_HANDLER)
        ]
        for name in ("api", "worker", "sweeper")
    }
    assert all({"event", "level", "timestamp"} <= set(line) for name in lines for line in lines[name])
    assert [one["event"] for one in lines["api"] if one.get("job_id") == good["id"]] == ["job_submitted"]
    for job, end in ((good, "job_succeeded"), (bad, "job_failed")):
        events = [one["event"] for one in lines["worker"] if one.get("job_id") == job["id"]]
        assert (events[0], events[-1]) == ("job_started", end)
    text = json.dumps(lines, ensure_ascii=False)
    assert words
    for private in (*words, KEY, NAME, HOTWORD, CLIENT):
        assert private not in text, private
