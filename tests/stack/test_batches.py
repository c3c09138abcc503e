"""A zip of recordings goes in over HTTP, an archive of their words comes out."""

import io
import zipfile

import pytest
from shrutlekh import ShrutlekhClient

from speech import Engine
from tests.stack.conftest import ROOT, Service

pytestmark = pytest.mark.stack

SAMPLES = sorted((ROOT / "samples").glob("*.wav"))


@pytest.fixture(scope="module")
def words() -> dict[str, str]:
    """The text of each sample, from the engine alone."""
    engine = Engine.load(ROOT / "models" / "hi-ctc-base")
    texts = {}
    for path in SAMPLES:
        with engine.transcribe(path) as transcription:
            texts[path.stem] = "\n".join(segment.text for segment in transcription.segments())
    return texts


def test_a_zip_of_recordings(service: Service, words: dict[str, str]) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in SAMPLES:
            file.write(path, f"नमूने/{path.name}")
        file.writestr("__MACOSX/._x", b"")
        file.writestr("notes.wav", b"no audio")
    before = len(service.stored_files())
    form = {"archive": ("samples.zip", archive.getvalue())}
    response = service.http.post("/v1/batches", files=form)
    assert response.status_code == 202, response.text
    batch = response.json()
    assert (batch["name"], batch["jobs"]) == ("samples", len(SAMPLES) + 1)
    assert batch["skipped"] == [{"name": "__MACOSX/", "reason": "clutter"}]
    while batch["status"] != "finished":
        batch = service.http.get(response.headers["Location"], params={"wait": 30}).raise_for_status().json()
    assert (batch["counts"]["succeeded"], batch["counts"]["failed"]) == (len(SAMPLES), 1)
    results = service.http.get(batch["links"]["results_zip"], params={"format": "txt,srt"}).raise_for_status()
    with zipfile.ZipFile(io.BytesIO(results.content)) as file:
        assert file.testzip() is None
        assert set(file.namelist()) == {
            *(f"नमूने/{stem}.{kind}" for stem in words for kind in ("txt", "srt")),
            "errors.tsv",
        }
        for stem, text in words.items():
            assert file.read(f"नमूने/{stem}.txt").decode().strip() == text
        assert "audio_unreadable" in file.read("errors.tsv").decode()
    assert service.http.delete(response.headers["Location"]).status_code == 204
    assert len(service.stored_files()) == before


def test_the_client_submits_files_and_saves_their_results(
    service: Service, words: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("results") / "results.zip"
    progress: list[float] = []
    with ShrutlekhClient(service.url) as client:
        batch = client.submit_batch(SAMPLES, root=ROOT, waveform=False)
        done = client.wait_for_batch(batch.id, lambda batch: progress.append(batch.progress))
        assert done.counts["succeeded"] == len(SAMPLES)
        assert (progress == sorted(progress), progress[-1]) == (True, 1.0)
        assert {job.file.folder for job in client.jobs(batch=batch.id).jobs} == {"samples"}
        client.results_zip(batch.id, path)
    with zipfile.ZipFile(path) as file:
        texts = {name: file.read(name).decode().strip() for name in file.namelist()}
    assert texts == {f"samples/{stem}.txt": text for stem, text in words.items()}
