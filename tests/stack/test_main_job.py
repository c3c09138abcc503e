"""A recording of a real person goes in over HTTP, Hindi text and a picture come out."""

import csv
import json
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import matplotlib.image
import psutil
import pytest
import soundfile
from redis import Redis

from shared.settings import Settings
from speech import Engine
from tests.stack.conftest import ROOT, Service

pytestmark = pytest.mark.stack
on_all_stores = pytest.mark.parametrize(
    "service", ["sqlite", "postgres", "postgres-s3"], indirect=True, scope="package"
)
DEVANAGARI = re.compile(r"[\u0900-\u097F ]+")


@pytest.fixture
def clip(speech_dir: Path) -> Path:
    with (speech_dir / "cv-hi" / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return speech_dir / "cv-hi" / first["path"]


def submitted(service: Service, name: str, content: bytes, **fields: str) -> dict[str, object]:
    response = service.http.post("/v1/jobs", files={"file": (name, content)}, data=fields)
    assert response.status_code == 202, response.text
    return finished(service, response.headers["Location"])


def finished(service: Service, location: str) -> dict[str, object]:
    job = service.http.get(location, params={"wait": 30}).raise_for_status().json()
    assert job["status"] in {"succeeded", "failed"}, job
    return dict(job)


@on_all_stores
def test_real_speech_over_http(service: Service, clip: Path) -> None:
    job = submitted(service, clip.name, clip.read_bytes())
    assert (job["status"], job["progress"], job["error"]) == ("succeeded", 1.0, None)
    links = job["links"]
    assert isinstance(links, dict)

    transcript = service.http.get(links["transcript"]).json()
    assert DEVANAGARI.fullmatch(transcript["text"])
    words = [word for segment in transcript["segments"] for word in segment["words"]]
    assert " ".join(word["text"] for word in words) == transcript["text"]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= transcript["seconds"]
    assert transcript["seconds"] == pytest.approx(soundfile.info(clip).duration, abs=0.1)
    assert all(0 <= word["confidence"] <= 1 for word in words)

    text = service.http.get(links["transcript"], params={"format": "txt"})
    assert text.headers["Content-Type"].startswith("text/plain")
    assert text.text.split() == transcript["text"].split()

    picture = service.http.get(links["waveform_png"])
    assert picture.headers["Content-Type"] == "image/png"
    pixels = matplotlib.image.imread(BytesIO(picture.content))
    assert min(pixels.shape[:2]) > 100
    assert pixels.std() > 0.01  # something is drawn

    peaks = service.http.get(links["waveform_json"]).json()
    assert len(peaks["data"]) == 2 * peaks["length"]
    covered = peaks["length"] * peaks["samples_per_pixel"] / peaks["sample_rate"]
    assert covered == pytest.approx(transcript["seconds"], abs=0.1)
    assert max(peaks["data"]) > 0 > min(peaks["data"])


def test_a_folder_from_the_command_line(service: Service, speech_dir: Path, tmp_path: Path) -> None:
    clips = sorted((speech_dir / "cv-hi" / "clips").glob("*.mp3"))
    command = [sys.executable, "-m", "ops", "submit", str(speech_dir / "cv-hi" / "clips")]
    command += ["--url", service.url, "--out", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(clips)
    assert {line["status"] for line in lines} == {"succeeded"}
    model = service.http.get("/v1/models").json()["default"]
    engine = Engine.load(ROOT / "models" / model)
    for clip in clips:
        with engine.transcribe(clip) as transcription:
            expected = "\n".join(segment.text for segment in transcription.segments())
        assert (tmp_path / f"{clip.stem}.txt").read_text(encoding="utf-8").strip() == expected
        assert json.loads((tmp_path / f"{clip.stem}.json").read_text(encoding="utf-8"))["segments"]
        assert (tmp_path / f"{clip.stem}.png").read_bytes().startswith(b"\x89PNG")


def test_the_log_tells_of_a_job_but_not_what_was_said(service: Service, clip: Path) -> None:
    job = submitted(service, clip.name, clip.read_bytes())
    text = service.http.get(f"/v1/jobs/{job['id']}/transcript", params={"format": "txt"}).text.strip()
    log = (service.data / "logs" / "worker.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines() if str(job["id"]) in line]
    assert [line["event"] for line in lines] == ["job_started", "job_succeeded"]
    assert text
    assert text not in log


@on_all_stores
def test_the_simple_forms(service: Service, clip: Path) -> None:
    text = (
        service.http.post("/transcribe/", files={"file": clip.open("rb")}).raise_for_status().json()["text"]
    )
    assert DEVANAGARI.fullmatch(text)
    picture = service.http.post("/visualize/", files={"file": clip.open("rb")}).raise_for_status()
    assert picture.content.startswith(b"\x89PNG")


def test_a_flushed_redis_loses_no_job(service: Service, clip: Path) -> None:
    locations = []
    socket = next((service.data / "run").glob("*.sock"), None)
    if socket is None:
        pytest.skip("the socket lies elsewhere: the path of this folder is too long")
    with Redis.from_url(f"unix://{socket}") as redis:
        for _ in range(20):
            response = service.http.post("/v1/jobs", files={"file": clip.open("rb")}).raise_for_status()
            locations.append(response.headers["Location"])
            redis.flushall()
    assert {finished(service, location)["status"] for location in locations} == {"succeeded"}


@on_all_stores
def test_nothing_is_left_of_an_erased_job(service: Service, clip: Path) -> None:
    before = len(service.stored_files())
    job = submitted(service, clip.name, clip.read_bytes())
    assert len(service.stored_files()) == before + 1
    assert service.http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert len(service.stored_files()) == before
    assert service.http.get(f"/v1/jobs/{job['id']}").json()["code"] == "job_not_found"


def test_the_command_line_without_a_service(clip: Path) -> None:
    command = [sys.executable, "-m", "ops", "transcribe", str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=dict(os.environ))
    assert DEVANAGARI.fullmatch(done.stdout.strip())


def test_workers_give_way_to_the_api(service: Service) -> None:
    nice = {
        process.cmdline()[-1]: process.nice()
        for process in psutil.Process(service.pid).children()
        if "-m" in process.cmdline()
    }
    assert nice["worker"] == nice["api"] + Settings().worker_nice
