"""A service that transcribes one recording, refuses another and stops: its answers, logs and traces."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).resolve().parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
KEY = "a-key-that-nobody-else-should-see"
NAME = "मुलाक़ात.wav"
HOTWORD = "देहरादून"
CLIENT = "newsroom-of-somebody"
FROM_A_SIGNAL_HANDLER = "worker: Warm shutdown (MainProcess)"  # Celery's, where no logger may be used


@dataclass(frozen=True, slots=True)
class TwoJobs:
    """What is known once the service has stopped.

    Attributes:
        good, bad: ids of the jobs that succeeded and failed.
        words: transcript of the first.
        lines: log entries by process.
        spans: spans with the name of the service that sent each.
        sent: all that was sent to the collector.
    """

    good: str
    bad: str
    words: list[str]
    lines: dict[str, list[dict[str, Any]]]
    spans: list[tuple[str, Any]]
    sent: bytes


class Collector(ThreadingHTTPServer):
    """Keeps the spans that are sent to it, with the service that each is from."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: list[tuple[str, Any]] = []
        self.bodies: list[bytes] = []


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        assert "gzip" not in self.headers.get("Content-Encoding", "")
        self.server.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.server.spans += [(named["service.name"], span) for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """A running collector."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run_two_jobs(data: Path) -> TwoJobs:
    """Start a service in the folder ``data``, run the jobs and stop it."""
    with collecting() as collector:
        environment = os.environ | {
            "SHRUTLEKH_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "SHRUTLEKH_WORKER_PROCESSES": "1",
        }
        line = [sys.executable, "-m", "ops", "serve", "--port", "0", "--data", str(data)]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            good, bad = (
                http.post(
                    "/v1/jobs",
                    files={"file": (NAME, content)},
                    data=fields,
                    headers=headers | {"traceparent": f"00-{TRACE}-{CALLER}-01"},
                ).json()["id"]
                for content, fields, headers in (
                    (
                        (ROOT / "samples" / "rain.wav").read_bytes(),
                        {"hotwords": HOTWORD, "client": CLIENT},
                        {"Idempotency-Key": KEY},
                    ),
                    (b"no audio", {}, {}),
                )
            )
            for job in (good, bad):
                assert http.get(f"/v1/jobs/{job}", params={"wait": 60}).json()["status"] in (
                    "succeeded",
                    "failed",
                )
            words = http.get(f"/v1/jobs/{good}/transcript").json()["text"].split()
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    lines = {name: _entries(data / "logs" / f"{name}.log") for name in ("api", "worker", "sweeper")}
    return TwoJobs(good, bad, words, lines, collector.spans, b"".join(collector.bodies))


def _entries(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line not in ("", FROM_A_SIGNAL_HANDLER)]
