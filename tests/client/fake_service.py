"""A service of the documented HTTP shape without a recogniser: its "transcripts" are the uploads' names."""

import asyncio
import hashlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

READY = {"status": "ready", "checks": {"workers": {"ok": True, "count": 1}}, "draining": False}
PNG = b"\x89PNG\r\n\x1a\n fake"
Handler = Callable[[Request], Awaitable[Response]]


def job_json(**changes: Any) -> dict[str, Any]:
    """A job document as the service gives it."""
    job_id = changes.pop("id", str(uuid.uuid4()))
    return {
        "id": job_id,
        "status": "queued",
        "progress": 0.0,
        "attempt": 0,
        "max_attempts": 3,
        "position": 0,
        "created_at": "2026-01-02T03:04:05.000Z",
        "started_at": None,
        "finished_at": None,
        "file": {"name": "a.wav", "bytes": 3, "sha256": "0" * 64},
        "model": "hi-ctc-base",
        "transcript": True,
        "waveform": True,
        "priority": "normal",
        "client": "",
        "decoder": None,
        "channels": "mix",
        "hotwords": [],
        "hotword_weight": None,
        "cancel_requested": False,
        "audio": None,
        "stage_seconds": None,
        "error": None,
        "links": {"self": f"/v1/jobs/{job_id}", "transcript": None, "waveform_png": None},
        "a_field_of_tomorrow": 1,
        **changes,
    }


@dataclass
class FakeService:
    """Its switches and what it has seen.

    Attributes:
        seconds: how long a job takes.
        outcome: extra fields of a job's end, by the upload's name.
        refusals: answers to the next uploads, each with seconds for Retry-After: 429, 503 or 507.
        keys: the jobs by idempotency key.
        asked: what transcripts were asked for, as format and numerals.
        segments: segments that each transcript has.
        installed: names of the installed models; the first is the default.
        default_decoder: of each model; None if the service does not tell.
        readiness: what /readyz answers.
        key: API key that /v1/models requires, if not empty.
        bytes_received: of all recordings, also of those that had a job already.
        open_jobs, most_open: uploaded and unfinished jobs now, and the most there ever were.
    """

    seconds: float = 0.0
    outcome: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    most_open: int = 0
    most_uploading: int = 0
    open_jobs: int = 0
    uploading: int = 0
    upload_seconds: float = 0.0
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    refusals: list[tuple[int, int]] = field(default_factory=list)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    segments: int = 1
    installed: tuple[str, ...] = ("hi-ctc-base",)
    default_decoder: str | None = None
    bytes_received: int = 0
    readiness: dict[str, Any] = field(default_factory=lambda: dict(READY))
    key: str = ""

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/readyz", self.readyz),
                Route("/v1/models", self.models),
                Route("/v1/jobs", self.submit, methods=["POST"]),
                Route("/v1/jobs", self.list_jobs),
                Route("/v1/jobs/{id}", self.get_job),
                Route("/v1/jobs/{id}", self.delete_job, methods=["DELETE"]),
                Route("/v1/jobs/{id}/retry", self.retry, methods=["POST"]),
                Route("/v1/jobs/{id}/transcript", self.transcript),
                Route("/v1/jobs/{id}/waveform.png", self.png),
            ]
        )

    async def readyz(self, request: Request) -> Response:
        return JSONResponse(self.readiness, 200 if self.readiness["status"] == "ready" else 503)

    async def models(self, request: Request) -> Response:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return problem(401, "key_missing", "Send an API key.")
        model = {"language": "hi", "sample_rate": 16000, "licence": "Apache-2.0", "description": ""}
        if self.default_decoder is not None:
            model["default_decoder"] = self.default_decoder
        evaluation = [
            {"set": "dev", "decoder": "greedy", "wer": 0.5, "cer": 0.2},
            {"set": "dev", "decoder": "beam", "wer": 0.25, "cer": 0.1},
            {"set": "from elsewhere", "wer": 0.3},
        ]
        models = [{"name": name, **model, "evaluation": evaluation} for name in self.installed]
        return JSONResponse({"default": self.installed[0], "models": models})

    async def submit(self, request: Request) -> Response:
        if self.refusals:
            status, seconds = self.refusals.pop(0)
            await request.body()
            return problem(status, "refused", "There is no room.", {"Retry-After": str(seconds)})
        self.uploading += 1
        self.most_uploading = max(self.most_uploading, self.uploading)
        form = await request.form()
        upload = form["file"]
        content = await upload.read()
        await asyncio.sleep(self.upload_seconds)
        self.uploading -= 1
        fields = {key: value for key, value in form.items() if key != "file"}
        if fields.get("model") not in {None, *self.installed}:
            return problem(422, "model_not_found", "The model asked for is not installed.")
        key = request.headers["Idempotency-Key"]
        sha256 = hashlib.sha256(content).hexdigest()
        self.bytes_received += len(content)
        if key in self.keys and self.keys[key]["id"] in self.jobs:
            job = self.keys[key]
            if job["file"]["sha256"] != sha256:
                return problem(409, "idempotency_conflict", "The key was used for another recording.")
            self.settle(job)
            return JSONResponse(job, 202, {"Idempotent-Replayed": "true"})
        self.forms.append(fields)
        self.uploads.append(upload.filename)
        job = job_json(
            file={
                "name": upload.filename,
                "bytes": len(content),
                "sha256": sha256,
            },
            model=fields.get("model", self.installed[0]),
            waveform=fields.get("waveform") != "false",
            decoder=fields.get("decoder"),
            channels=fields.get("channels", "mix"),
            hotwords=fields["hotwords"].split("\n") if "hotwords" in fields else [],
            hotword_weight=float(fields.get("hotword_weight", 4)) if "hotwords" in fields else None,
        )
        job["done_at"] = time.monotonic() + self.seconds
        self.jobs[job["id"]] = self.keys[key] = job
        self.open_jobs += 1
        self.most_open = max(self.most_open, self.open_jobs)
        return JSONResponse(job, 202, {"Location": job["links"]["self"]})

    def settle(self, job: dict[str, Any]) -> None:
        if job["status"] == "queued" and time.monotonic() >= job["done_at"]:
            job.update(
                status="succeeded",
                progress=1.0,
                audio={"seconds": 2.0, "sample_rate": 16000, "channels": 1},
                stage_seconds={"audio": 0.25, "infer": 0.5},
            )
            job.update(self.outcome.get(job["file"]["name"], {}))
            self.open_jobs -= 1

    async def get_job(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return problem(404, "job_not_found", "There is no such job.")
        until = time.monotonic() + float(request.query_params.get("wait", 0))
        self.settle(job)
        while job["status"] == "queued" and time.monotonic() < until:
            await asyncio.sleep(0.005)
            self.settle(job)
        return JSONResponse(job)

    async def list_jobs(self, request: Request) -> Response:
        wanted = request.query_params.get("status")
        for job in self.jobs.values():
            self.settle(job)
        jobs = [job for job in self.jobs.values() if wanted in {None, job["status"]}]
        limit = int(request.query_params.get("limit", 50))
        page = {"jobs": jobs[:limit], "next_cursor": "x" if len(jobs) > limit else None}
        if request.query_params.get("counts") == "true":
            page["counts"] = Counter(job["status"] for job in self.jobs.values())
        return JSONResponse(page)

    async def delete_job(self, request: Request) -> Response:
        if self.jobs.pop(request.path_params["id"], None) is None:
            return problem(404, "job_not_found", "There is no such job.")
        return Response(status_code=204)

    async def retry(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return problem(404, "job_not_found", "There is no such job.")
        self.settle(job)
        if job["status"] not in {"failed", "cancelled"}:
            return problem(409, "illegal_transition", "The job can't be retried now.")
        job.update(status="queued", error=None, done_at=time.monotonic() + self.seconds)
        return JSONResponse(job, 202)

    async def transcript(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return problem(404, "job_not_found", "There is no such job.")
        form = request.query_params.get("format", "json")
        numerals = request.query_params.get("numerals", "spoken")
        self.asked.append((form, numerals))
        text = f"नमस्ते {job['file']['name']}"
        if form != "json":
            return PlainTextResponse(f"{form} {numerals} {text}\n")
        segment = {"start": 0.1, "end": 1.0, "channel": None, "text": text, "confidence": 0.9, "words": []}
        document = {"job_id": job["id"], "model": job["model"], "language": "hi", "seconds": 2.0}
        return JSONResponse({**document, "text": text, "segments": [segment] * self.segments})

    async def png(self, request: Request) -> Response:
        if not self.jobs[request.path_params["id"]]["waveform"]:
            return problem(404, "waveform_not_made", "The job was submitted with waveform=false.")
        return Response(PNG, media_type="image/png")


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    document = {"type": f"urn:shrutlekh:error:{code}", "status": status, "code": code, "detail": detail}
    return JSONResponse(document, status, headers, media_type="application/problem+json")


@contextmanager
def serving(service: FakeService, port: int = 0) -> Iterator[FakeService]:
    """The service on a port of this machine; by default a free one."""
    server = uvicorn.Server(uvicorn.Config(service.app(), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    service.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield service
    server.should_exit = True
    thread.join(5)
