"""One trace from an upload to the commit of its result, as a collector receives it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).resolve().parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
NAME = "private.wav"


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


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_trace_from_upload_to_commit(collector: Collector, tmp_path: Path) -> None:
    environment = os.environ | {
        "SHRUTLEKH_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "SHRUTLEKH_WORKER_PROCESSES": "1",
    }
    line = [sys.executable, "-m", "ops", "serve", "--port", "0", "--data", str(tmp_path)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        jobs = [
            http.post(
                "/v1/jobs",
                files={"file": (NAME, content)},
                headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
            ).json()["id"]
            for content in ((ROOT / "samples" / "rain.wav").read_bytes(), b"no audio")
        ]
        for job in jobs:
            assert http.get(f"/v1/jobs/{job}", params={"wait": 60}).json()["status"] in (
                "succeeded",
                "failed",
            )
        words = http.get(f"/v1/jobs/{jobs[0]}/transcript").json()["text"].split()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0

    spans = [(service, span) for service, span in collector.spans if span.trace_id.hex() == TRACE]
    by_id = {span.span_id: span for _, span in spans}

    def one(service: str, name: str, job: str) -> Any:
        (found,) = [span for of, span in spans if (of, span.name, job_of(span)) == (service, name, job)]
        return found

    submit, attempt = one("shrutlekh-api", "submit", jobs[0]), one("shrutlekh-worker", "attempt", jobs[0])
    assert attempt.parent_span_id == submit.span_id
    top = submit
    while top.parent_span_id in by_id:  # through the web framework's own spans
        top = by_id[top.parent_span_id]
    assert top.parent_span_id.hex() == CALLER
    assert {span.name for _, span in spans if span.parent_span_id == attempt.span_id} == {
        "transcribe",
        "commit",
    }
    assert one("shrutlekh-worker", "attempt", jobs[1]).status.message == "audio_unreadable"
    sent = b"".join(collector.bodies)
    assert words
    assert not [word for word in (*words, NAME) if word.encode() in sent]


def job_of(span: Any) -> str:
    return next((one.value.string_value for one in span.attributes if one.key == "shrutlekh.job_id"), "")
