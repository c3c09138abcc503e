"""Hostile recordings through the whole service: a coded error or an honest result, nothing left behind."""

import random
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.speech.sounds import wav_bytes
from tests.stack.conftest import Service
from tests.stack.test_main_job import finished

pytestmark = pytest.mark.stack

NOISE = (np.random.default_rng(1).normal(0, 3000, 16_000)).astype("<i2").tobytes()


def encoded(form: str, subtype: str, rate: int = 16_000, channels: int = 1) -> bytes:
    file = BytesIO()
    samples = np.random.default_rng(2).normal(0, 0.1, (rate, channels))
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def lying(length: int) -> bytes:
    return wav_bytes(NOISE, data_length=length)


HONEST = {
    "silence": wav_bytes(bytes(64_000)),
    "no samples": wav_bytes(b""),
    "one sample": wav_bytes(b"\1\0"),
    "noise": wav_bytes(NOISE),
    "says it is longer": lying(2**31 - 1),
    "says it is shorter": lying(1000),
    "200 channels": encoded("WAV", "PCM_16", channels=200),
    "8 bit": encoded("WAV", "PCM_U8"),
    "24 bit": encoded("WAV", "PCM_24"),
    "32 bit": encoded("WAV", "PCM_32"),
    "float": encoded("WAV", "FLOAT"),
    "double": encoded("WAV", "DOUBLE"),
    "8 kHz": encoded("WAV", "PCM_16", rate=8000),
    "192 kHz": encoded("WAV", "PCM_16", rate=192_000),
    "stereo FLAC": encoded("FLAC", "PCM_16", rate=44_100, channels=2),
    "NaN": wav_bytes(struct.pack("<4f", 0, float("nan"), 0, 0), bits=32, encoding=3),
    "infinity": wav_bytes(struct.pack("<4f", 0, float("inf"), 0, 0), bits=32, encoding=3),
    "FLAC cut": encoded("FLAC", "PCM_16")[:15_000],
    "Vorbis": encoded("OGG", "VORBIS"),
    "Opus": encoded("OGG", "OPUS", rate=48_000),
    "MP3": encoded("MP3", "MPEG_LAYER_III", rate=44_100),
}
FAULTY = {
    "zero bytes": (b"", "audio_unreadable"),
    "text": ("यह कोई आवाज़ नहीं है।\n".encode() * 100, "audio_unreadable"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(1000), "audio_unreadable"),
    "header cut": (wav_bytes(NOISE)[:20], "audio_unreadable"),
    "magic only": (b"RIFF", "audio_unreadable"),
    "only NaN": (wav_bytes(struct.pack("<2f", *[float("nan")] * 2), bits=32, encoding=3), "audio_unreadable"),
    "only infinity": (wav_bytes(struct.pack("<f", float("inf")), bits=32, encoding=3), "audio_unreadable"),
    "1 Hz": (wav_bytes(NOISE, rate=1), "audio_unsupported"),
    "10 MHz": (wav_bytes(NOISE, rate=10_000_000), "audio_unsupported"),
    "0 Hz": (wav_bytes(NOISE, rate=0), "audio_unsupported"),
    "FLAC cut": (encoded("FLAC", "PCM_16")[:5000], "audio_unreadable"),
}


def submit(service: Service, content: bytes, name: str = "a.wav") -> dict[str, object]:
    response = service.http.post("/v1/jobs", files={"file": (name, content)})
    assert response.status_code == 202, response.text
    return finished(service, response.headers["Location"])


@pytest.mark.parametrize("content", HONEST.values(), ids=HONEST.keys())
def test_odd_but_honest_recordings_succeed(service: Service, content: bytes) -> None:
    job = submit(service, content)
    assert job["status"] == "succeeded", job["error"]


def test_silence_has_no_words(service: Service) -> None:
    job = submit(service, HONEST["silence"])
    assert service.http.get(f"/v1/jobs/{job['id']}/transcript").json()["segments"] == []


@pytest.mark.parametrize(("content", "code"), FAULTY.values(), ids=FAULTY.keys())
def test_faulty_recordings_fail_with_a_code_and_leave_no_file(
    service: Service, content: bytes, code: str
) -> None:
    before = service.stored_files()
    job = submit(service, content)
    error = job["error"]
    assert isinstance(error, dict)
    assert (job["status"], error["code"]) in {("failed", code), ("failed", "audio_unreadable")}
    assert error["message"]
    assert service.stored_files() == before
    for form in ("/transcribe/", "/visualize/"):
        response = service.http.post(form, files={"file": ("a.wav", content)})
        assert (response.status_code, response.json()["code"]) == (422, error["code"])
    assert service.stored_files() == before


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "a\0b.wav", "ल" * 5000 + ".wav", "", ".", "C:\\x.wav"]
)
def test_hostile_file_names(service: Service, name: str) -> None:
    job = submit(service, HONEST["no samples"], name or " ")
    file = job["file"]
    assert isinstance(file, dict)
    assert len(file["name"]) <= 255
    assert not set(file["name"]) & set("/\\\0")
    if service.bucket is None:
        assert all(path.resolve().is_relative_to(service.data) for path in service.stored_files())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/jobs/01890000-0000-7000-8000-000000000000", 404, "job_not_found"),
        ("DELETE", "/v1/jobs/01890000-0000-7000-8000-000000000000", 404, "job_not_found"),
        ("GET", "/v1/jobs/01890000-0000-7000-8000-000000000000/transcript", 404, "job_not_found"),
        ("GET", "/v1/jobs/nonsense", 422, "invalid_request"),
        ("GET", "/v1/jobs/nonsense/waveform.png", 422, "invalid_request"),
        ("GET", "/v1/jobs?limit=0", 422, "invalid_request"),
        ("GET", "/v1/jobs?cursor=nonsense", 422, "invalid_request"),
        ("GET", "/v1/jobs?status=lost", 422, "invalid_request"),
    ],
)
def test_wrong_requests(service: Service, method: str, path: str, status: int, code: str) -> None:
    response = service.http.request(method, path)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["detail"]


def test_a_missing_file_field(service: Service) -> None:
    for path in ("/v1/jobs", "/transcribe/", "/visualize/"):
        response = service.http.post(path, files={"other": ("a.wav", b"x")})
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_too_large_an_upload_leaves_nothing(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(40):
            yield bytes(2**20)
        yield b"\r\n--b--\r\n"

    before = service.stored_files()
    response = service.http.post(
        "/v1/jobs", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert (response.status_code, response.json()["code"]) == (413, "upload_too_large")
    assert service.stored_files() == before


def test_mutated_recordings(service: Service, speech_dir: Path) -> None:
    """Bit flips, cuts and splices of real recordings, all at once."""
    dice = random.Random(3)
    originals = [path.read_bytes() for path in sorted((speech_dir / "cv-hi" / "clips").glob("*.mp3"))[:4]]
    originals += [encoded("WAV", "PCM_16"), encoded("FLAC", "PCM_16"), encoded("OGG", "OPUS", rate=48_000)]
    locations = []
    for number in range(30):
        content = bytearray(dice.choice(originals))
        for _ in range(dice.choice([1, 10, 200])):
            content[dice.randrange(len(content))] = dice.randrange(256)
        if number % 3 == 0:
            content = content[: dice.randrange(1, len(content))]
        if number % 3 == 1:
            content[dice.randrange(200) :] = dice.choice(originals)
        response = service.http.post("/v1/jobs", files={"file": ("a.bin", bytes(content))})
        assert response.status_code == 202
        locations.append(response.headers["Location"])
    for location in locations:
        job = finished(service, location)
        error = job["error"]
        assert job["status"] == "succeeded" or (
            isinstance(error, dict) and error["code"].startswith("audio_")
        )
        assert job["attempt"] == 1
    assert service.http.get("/readyz").status_code == 200
