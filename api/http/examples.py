"""Examples for the OpenAPI document."""

from pydantic import JsonValue
from shrutlekh_contract.formats import TEXT_FORMATS

FILE = "(the bytes of the recording)"
JOB_ID = "019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"
_LINKS: dict[str, JsonValue] = {
    "self": f"/v1/jobs/{JOB_ID}",
    "transcript": f"/v1/jobs/{JOB_ID}/transcript",
    **{f"transcript_{name}": f"/v1/jobs/{JOB_ID}/transcript?format={name}" for name in TEXT_FORMATS},
    "waveform_png": f"/v1/jobs/{JOB_ID}/waveform.png",
    "waveform_json": f"/v1/jobs/{JOB_ID}/waveform.json",
    "spectrogram_png": None,
}
TICKET: dict[str, JsonValue] = {
    "url": f"/v1/jobs/{JOB_ID}/recording?ticket=1jvEO6wCKBMJ0vEoTPtTlRbGgV4mMSt2yCVz0tA0d7Y",
    "expires_at": "2026-01-15T10:30:00.125000Z",
}
_WARNINGS: list[JsonValue] = [
    {
        "code": "audio_gaps",
        "message": "The recording is damaged in one place, first after 2.1 s: 0.10 s could not be read and "
        "count as silence. Words there are missing.",
        "spans": [{"start": 2.1, "end": 2.2}],
    }
]
JOB: dict[str, JsonValue] = {
    "id": JOB_ID,
    "batch_id": None,
    "status": "succeeded",
    "progress": 1.0,
    "attempt": 1,
    "max_attempts": 3,
    "position": None,
    "created_at": "2026-01-15T09:30:00.125000Z",
    "started_at": "2026-01-15T09:30:00.180000Z",
    "finished_at": "2026-01-15T09:30:00.420000Z",
    "file": {"name": "समाचार.wav", "folder": "", "bytes": 128044, "sha256": "9f86d081884c7d65" * 4},
    "model": "hi-ctc-base",
    "transcript": True,
    "waveform": True,
    "spectrogram": False,
    "priority": "normal",
    "client": "192.0.2.17",
    "decoder": None,
    "channels": "mix",
    "hotwords": ["देहरादून"],
    "hotword_weight": 6.0,
    "strict": False,
    "webhook_url": None,
    "cancel_requested": False,
    "audio": {"seconds": 4.0, "sample_rate": 16000, "channels": 1, "speech_seconds": 1.9},
    "stage_seconds": {"audio": 0.004, "infer": 0.021, "text": 0.001, "waveform": 0.06},
    "warnings": _WARNINGS,
    "error": None,
    "model_version": "3f0c9a52d17e",
    "revision": None,
    "links": _LINKS,
}
QUEUED_JOB: dict[str, JsonValue] = JOB | {
    "status": "queued",
    "progress": 0.0,
    "attempt": 0,
    "position": 3,
    "started_at": None,
    "finished_at": None,
    "audio": None,
    "stage_seconds": None,
    "warnings": None,
    "model_version": None,
    "links": {name: link if name == "self" else None for name, link in _LINKS.items()},
}
SEGMENTS: list[JsonValue] = [
    {
        "start": 0.31,
        "end": 1.62,
        "channel": None,
        "text": "नमस्ते दुनिया",
        "confidence": 0.91,
        "avg_logprob": -0.1632,
        "words": [
            {"text": "नमस्ते", "start": 0.31, "end": 0.84, "confidence": 0.94},
            {"text": "दुनिया", "start": 0.96, "end": 1.62, "confidence": 0.88},
        ],
    }
]
PAGE: dict[str, JsonValue] = {
    "jobs": [JOB],
    "next_cursor": None,
    "counts": {"queued": 0, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0},
}
_TRANSCRIPT: dict[str, JsonValue] = {
    "model": "hi-ctc-base",
    "model_version": "3f0c9a52d17e",
    "language": "hi",
    "seconds": 4.0,
    "speech_seconds": 1.9,
    "no_speech": False,
    "warnings": _WARNINGS,
    "text": "नमस्ते दुनिया",
    "segments": SEGMENTS,
}
REVISION: dict[str, JsonValue] = {
    "number": 1,
    "saves": 3,
    "created_at": "2026-01-15T09:41:12.250000Z",
    "saved_at": "2026-01-15T09:44:31.700000Z",
    "editor": "shl_6b18dcc0",
}
CORRECTION: dict[str, JsonValue] = {
    "segments": [
        {
            "start": 0.31,
            "end": 1.62,
            "words": [
                {"text": "नमस्ते", "start": 0.31, "end": 0.84, "confidence": 0.94},
                {"text": "दुनियादारी", "start": 0.96, "end": 1.62},
            ],
        }
    ]
}
TRANSCRIPT: dict[str, JsonValue] = {"job_id": JOB_ID, "revision": None, **_TRANSCRIPT}
SIMPLE_TRANSCRIPT: dict[str, JsonValue] = {
    "id": JOB_ID,
    **_TRANSCRIPT,
    "links": {**_LINKS, "waveform_png": None, "waveform_json": None},
}
TRANSCRIPT_FILES = {
    "text/plain": "नमस्ते दुनिया\n",
    "application/x-subrip": "1\n00:00:00,310 --> 00:00:01,620\nनमस्ते दुनिया\n",
    "text/vtt": "WEBVTT\n\n00:00:00.310 --> 00:00:01.620\nनमस्ते दुनिया\n",
    "text/tab-separated-values": "start\tend\tchannel\ttext\n310\t1620\t\tनमस्ते दुनिया\n",
}
PEAKS: dict[str, JsonValue] = {
    "version": 2,
    "channels": 1,
    "sample_rate": 16000,
    "samples_per_pixel": 256,
    "bits": 8,
    "length": 2,
    "data": [-12, 14, -31, 29],
}
_MODEL: dict[str, JsonValue] = {
    "name": "hi-ctc-base",
    "language": "hi",
    "sample_rate": 16000,
    "licence": "Apache-2.0",
    "description": "Small Hindi CTC model.",
    "evaluation": [
        {"set": "a test set", "decoder": "greedy", "wer": 0.5, "cer": 0.2},
        {"set": "a test set", "decoder": "beam", "wer": 0.3, "cer": 0.1},
    ],
    "decoders": ["greedy", "beam"],
    "default_decoder": "beam",
}
_OPENAI_MODEL: dict[str, JsonValue] = {
    "id": "hi-ctc-base",
    "object": "model",
    "created": 1768469400,
    "owned_by": "shrutlekh",
}
MODELS: dict[str, JsonValue] = {
    "default": "hi-ctc-base",
    "models": [_MODEL],
    "object": "list",
    "data": [_OPENAI_MODEL],
}
RETRIEVED_MODEL: dict[str, JsonValue] = _MODEL | _OPENAI_MODEL
ALIVE: dict[str, JsonValue] = {"status": "ok"}
READY: dict[str, JsonValue] = {
    "status": "ready",
    "checks": {
        "database": {"ok": True, "detail": None},
        "migrations": {"ok": True, "detail": None},
        "redis": {"ok": True, "detail": None},
        "workers": {"ok": True, "count": 2},
        "disk": {"ok": True, "detail": None},
    },
    "draining": False,
}
NOT_READY: dict[str, JsonValue] = {
    "status": "not_ready",
    "checks": {
        "database": {"ok": True, "detail": None},
        "migrations": {"ok": True, "detail": None},
        "redis": {"ok": True, "detail": None},
        "workers": {"ok": False, "count": 0},
        "disk": {"ok": True, "detail": None},
    },
    "draining": False,
}
_USAGE: dict[str, JsonValue] = {"type": "duration", "seconds": 4.0}
TRANSCRIPTION: dict[str, JsonValue] = {"text": "नमस्ते दुनिया", "usage": _USAGE}
VERBOSE_TRANSCRIPTION: dict[str, JsonValue] = {
    "task": "transcribe",
    "language": "hindi",
    "duration": 4.0,
    "text": "नमस्ते दुनिया",
    "segments": [
        {
            "id": 0,
            "seek": 0,
            "start": 0.31,
            "end": 1.62,
            "text": "नमस्ते दुनिया",
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": -0.1632,
            "compression_ratio": 0.9024,
            "no_speech_prob": 0.0,
        }
    ],
    "words": [
        {"word": "नमस्ते", "start": 0.31, "end": 0.84},
        {"word": "दुनिया", "start": 0.96, "end": 1.62},
    ],
    "usage": _USAGE,
}
TRANSCRIPTION_EVENTS = (
    'data: {"type":"transcript.text.delta","delta":"नमस्ते दुनिया"}\n\n'
    'data: {"type":"transcript.text.done","text":"नमस्ते दुनिया",'
    '"usage":{"type":"duration","seconds":4.0}}\n\n'
)
BATCH_ID = "019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c00"
BATCH: dict[str, JsonValue] = {
    "id": BATCH_ID,
    "name": "interviews 1998",
    "status": "running",
    "progress": 0.25,
    "jobs": 240,
    "counts": {"queued": 179, "running": 2, "succeeded": 58, "failed": 1, "cancelled": 0},
    "erased": 0,
    "total_bytes": 1_560_281_088,
    "created_at": "2026-01-15T09:30:00.125000Z",
    "finished_at": None,
    "seconds_left": 540.2,
    "expected_finish_at": "2026-01-15T09:42:00.325000Z",
    "skipped": [{"name": "__MACOSX/", "reason": "clutter"}],
    "options": {"model": "hi-ctc-base", "priority": "normal"},
    "links": {
        "self": f"/v1/batches/{BATCH_ID}",
        "jobs": f"/v1/jobs?batch={BATCH_ID}",
        "results_zip": None,
        "events": f"/v1/batches/{BATCH_ID}/events",
    },
}
BATCHES: dict[str, JsonValue] = {"batches": [BATCH], "next_cursor": None}
EVENTS = f"""retry: 1000

id: 41.0
event: status
data: {{"event": "claimed", "status": "running", "attempt": 1, "job": {{"id": "{JOB_ID}"}}}}

id: 41.1
event: segment
data: {{"position": 0, "start": 0.31, "end": 1.62, "text": "नमस्ते दुनिया"}}

id: 42.1.end
event: end
data: {{"id": "{JOB_ID}", "status": "succeeded"}}

"""
LIST_EVENTS = f"""retry: 1000

event: job
data: {{"id": "{JOB_ID}", "status": "running", "progress": 0.4}}

event: segment
data: {{"job_id": "{JOB_ID}", "position": 0, "start": 0.31, "end": 1.62, "text": "नमस्ते दुनिया"}}

event: job
data: {{"id": "{JOB_ID}", "status": "succeeded", "progress": 1.0}}

event: end
data: {{}}

"""
SIGNING_SECRET: dict[str, JsonValue] = {
    "secret": "whsec_MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmY=",
    "created_at": "2026-01-15T09:30:00.125000Z",
    "previous_until": None,
}
DELIVERY: dict[str, JsonValue] = {
    "id": "019a2f3c-6a10-7e02-8f3b-5d1c2b3a4f5e",
    "type": "job.succeeded",
    "job": JOB_ID,
    "batch": None,
    "url": "https://example.org/hooks/3f9c",
    "body": {
        "type": "job.succeeded",
        "timestamp": "2026-01-15T09:30:00.420000Z",
        "data": {"id": JOB_ID, "status": "succeeded"},
    },
    "status": "delivered",
    "created_at": "2026-01-15T09:30:00.420000Z",
    "next_try_at": None,
    "tries": [{"at": "2026-01-15T09:30:00.500000Z", "status": 204, "error": None, "seconds": 0.112}],
}
