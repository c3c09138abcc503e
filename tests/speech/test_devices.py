"""Which device a model runs on. Test machines have no GPU: the CPU must take over, and the log say so."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import onnxruntime as ort
import pytest

from speech import Engine
from speech.gpu import Device
from speech.onnx_sessions import CPU, CUDA, load_cuda, runs_on_gpu, tell_fallback
from tests.speech.sounds import speak, write_model, write_wav

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="ONNX Runtime for GPUs")


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    """As in a new process."""
    tell_fallback.cache_clear()
    load_cuda.cache_clear()
    yield
    tell_fallback.cache_clear()
    load_cuda.cache_clear()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the device file of a GPU would be."""
    monkeypatch.setattr("speech.gpu.DRIVER", tmp_path / "nvidiactl")
    return tmp_path / "nvidiactl"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Lines at level INFO or above."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_machine_without_a_gpu_is_nothing_to_tell(
    driver: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, device: Device
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = Engine.load(write_model(tmp_path / "toy"), device=device)
    assert engine.recogniser._session.get_providers() == [CPU]  # type: ignore[attr-defined]
    assert said(caplog) == []


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_runtime_without_cuda_falls_back_and_says_so_once(
    driver: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, device: Device
) -> None:
    driver.touch()
    folder, path = write_model(tmp_path / "toy"), write_wav(tmp_path / "a.wav", speak("नम मन"))
    for _ in range(3):
        engine = Engine.load(folder, device=device)
        assert [segment.text for segment in engine.transcribe(path).segments()] == ["नम मन"]
    (line,) = said(caplog)
    assert line.startswith("gpu_unavailable: models run on the CPU, because the installed ONNX Runtime")
    assert "onnxruntime-gpu" in line


def test_a_session_that_falls_back_says_so_once(
    driver: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime drops a provider that it cannot start, such as one without its libraries."""
    available = [CUDA, *ort.get_available_providers()]
    monkeypatch.setattr("speech.onnx_sessions.ort.get_available_providers", lambda: available)
    assert runs_on_gpu("cuda")
    folder, path = write_model(tmp_path / "toy"), write_wav(tmp_path / "a.wav", speak("नम मन"))
    for _ in range(2):
        engine = Engine.load(folder, device="cuda")
        assert [segment.text for segment in engine.transcribe(path).segments()] == ["नम मन"]
    (line,) = said(caplog)
    assert line.startswith("gpu_unavailable: models run on the CPU, because ONNX Runtime could not start")


def test_libraries_that_do_not_load_are_in_the_log_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime prints them, where a log of JSON lines would not have them."""
    monkeypatch.setattr("speech.onnx_sessions.ort.get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(
        "speech.onnx_sessions.ort.preload_dlls", lambda: print("Failed to load libcublas.so.13: no such file")
    )
    assert runs_on_gpu("cuda")
    assert runs_on_gpu("cuda")
    assert said(caplog) == ["cuda_library_missing: Failed to load libcublas.so.13: no such file"]
    assert capsys.readouterr().out == ""


def test_a_graph_that_was_optimised_for_cpus_is_not_run_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, bool]] = []
    real = ort.InferenceSession

    def session(graph: str, **named: object) -> ort.InferenceSession:
        opened.append((Path(graph).name, CUDA in str(named["providers"])))
        return real(graph, sess_options=named["sess_options"], providers=[CPU])

    folder = write_model(tmp_path / "toy")
    digest = json.loads((folder / "model.json").read_text(encoding="utf-8"))["files"]["model.onnx"][:16]
    optimised = folder / f".model-{digest}-{ort.__version__}.onnx"
    optimised.write_bytes((folder / "model.onnx").read_bytes())
    monkeypatch.setattr("speech.onnx_sessions.ort.InferenceSession", session)
    Engine.load(folder)
    monkeypatch.setattr("speech.onnx_sessions.ort.get_available_providers", lambda: [CUDA, CPU])
    Engine.load(folder, device="cuda")
    assert opened == [(optimised.name, False), ("model.onnx", True)]


def test_the_log_of_a_worker_tells_it(tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "toy", name="toy")
    script = f"""
from pathlib import Path
from shared.logs import configure_logging
from shared.settings import Settings
from worker.engines import Engines
configure_logging("INFO")
Engines(Path({str(tmp_path / "models")!r}), 1, device=Settings().device).get("toy")
"""
    environment = os.environ | {"SHRUTLEKH_DEVICE": "cuda"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    entries = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    (told,) = [entry for entry in entries if "gpu_unavailable" in entry["event"]]
    assert told["level"] == "warning"
