"""A GPU's memory: how it is shared, how it sizes batches, and what happens when it runs out.

No GPU is needed. A session of the CPU stands for one of the GPU: it refuses batches above a size with the
messages of ONNX Runtime's CUDA provider.
"""

import ctypes
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from speech import Engine, ModelFolder
from speech.gpu import (
    LARGEST_BATCH,
    SMALLEST_BATCH,
    GpuMemory,
    batch_bytes,
    gpu_memory_limit,
    has_cuda_provider,
    is_gpu_exhausted,
    read_memory,
    usable_gpu_memory,
)
from speech.onnx_sessions import CPU, CUDA, tell_fallback
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from speech.utterance_stream import UtteranceStream
from tests.speech.sounds import speak, write_wav
from worker.ceiling import is_want_of_memory

GIB = 2**30
ARENA_FULL = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. "
    "Status Message: bfc_arena.cc:376 AllocateRawInternal Available memory of 1048576 is smaller than "
    "requested bytes of 67108864"
)
DEVICE_FULL = "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc"
BROKEN = "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 700: an illegal memory access was encountered"


@pytest.mark.parametrize(
    ("memory", "processes", "limit"),
    [
        (GpuMemory(24 * GIB, 24 * GIB), 1, int(0.9 * 24 * GIB)),
        (GpuMemory(24 * GIB, 24 * GIB), 2, int(0.9 * 12 * GIB)),
        (GpuMemory(13 * GIB, 24 * GIB), 2, int(0.9 * 12 * GIB)),  # the other process is there already
        (GpuMemory(4 * GIB, 24 * GIB), 2, int(0.9 * 4 * GIB)),  # another program has taken most of it
        (GpuMemory(0, 24 * GIB), 2, 0),
    ],
)
def test_processes_share_the_memory(memory: GpuMemory, processes: int, limit: int) -> None:
    assert gpu_memory_limit(memory, processes) == limit
    if memory.free == memory.total:
        assert processes * limit < memory.total


@pytest.mark.parametrize(
    ("limit", "weights", "found"),
    [
        (0, 48_000_000, SMALLEST_BATCH),  # unknown: as on a CPU
        (GIB // 2, GIB // 4, GIB // 8),
        (GIB // 4, GIB // 4, SMALLEST_BATCH),
        (16 * GIB, GIB // 4, LARGEST_BATCH),
    ],
)
def test_batches_are_sized_to_what_the_weights_leave(limit: int, weights: int, found: int) -> None:
    assert batch_bytes(limit, weights) == found


def test_the_smallest_batch_is_that_of_a_cpu() -> None:
    assert SMALLEST_BATCH == UtteranceStream.WORKING_BYTES


@pytest.mark.parametrize("message", [ARENA_FULL, DEVICE_FULL, "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"])
def test_messages_of_a_full_gpu(message: str) -> None:
    assert is_gpu_exhausted(RuntimeError(message))
    assert is_want_of_memory(RuntimeError(message))  # a worker hands the job back
    assert not is_gpu_exhausted(RuntimeError(BROKEN))


class Nvml:
    """NVML's functions that this project calls, for the GPUs 0, 1 and GPU-7. It answers 0 for success."""

    gpu: int | None = None
    is_on = False

    def nvmlInit_v2(self) -> int:  # noqa: N802
        self.is_on = True
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.is_on = False
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:  # noqa: N802
        self.gpu = index.value
        return int(index.value > 1)

    def nvmlDeviceGetHandleByUUID(self, name: bytes, handle: Any) -> int:  # noqa: N802
        self.gpu = 7
        return int(name != b"GPU-7")

    def nvmlDeviceGetMemoryInfo(self, handle: ctypes.c_void_p, found: Any) -> int:  # noqa: N802
        assert self.is_on
        assert self.gpu is not None
        words = ctypes.cast(found, ctypes.POINTER(ctypes.c_ulonglong))
        words[0], words[1] = 1000, 100 + self.gpu  # nvmlMemory_t: total, free, used
        return 0


@pytest.mark.parametrize(
    ("visible", "memory"),
    [
        (None, GpuMemory(100, 1000)),
        ("1,0", GpuMemory(101, 1000)),
        ("GPU-7", GpuMemory(107, 1000)),
        ("2", None),
        ("GPU-8", None),
    ],
)
def test_the_driver_is_asked_for_the_gpu_that_cuda_would_use(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, memory: GpuMemory | None
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    nvml = Nvml()
    assert read_memory(lambda _: nvml) == memory
    assert not nvml.is_on


def test_without_a_driver_nothing_is_known() -> None:
    def load(name: str) -> Nvml:
        raise OSError(name)

    assert read_memory(load) is None


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="ONNX Runtime for GPUs")
def test_an_onnx_runtime_for_cpus_uses_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech.gpu.read_memory", lambda: GpuMemory(GIB, GIB))
    assert not has_cuda_provider()
    assert usable_gpu_memory("cuda") is None
    monkeypatch.setattr("speech.gpu.has_cuda_provider", lambda: True)
    assert usable_gpu_memory("cuda") == GpuMemory(GIB, GIB)
    assert usable_gpu_memory("cpu") is None


class SmallGpu:
    """An ONNX session that takes no more samples at once than fit into its memory.

    Attributes:
        runs: rows of the batches that it ran.
    """

    def __init__(self, session: ort.InferenceSession, most_samples: int, message: str) -> None:
        self._session = session
        self._most_samples = most_samples
        self._message = message
        self.runs: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> Sequence[str]:
        return [CUDA, CPU]

    def run(self, outputs: Sequence[str], inputs: dict[str, Any]) -> Any:
        if inputs["waveform"].size > self._most_samples:
            raise RuntimeError(self._message)
        self.runs.append(len(inputs["waveform"]))
        return self._session.run(outputs, inputs)


class Opened:
    """What was opened on the simulated GPU, with which options."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most_samples: int, message: str) -> None:
        self.gpus: list[SmallGpu] = []
        self.options: list[dict[str, str]] = []
        real = ort.InferenceSession

        def session(graph: str, **named: Any) -> Any:
            opened = real(graph, sess_options=named["sess_options"], providers=[CPU])
            if named["providers"][0] == CPU:
                return opened
            self.options.append(named["providers"][0][1])
            self.gpus.append(SmallGpu(opened, most_samples, message))
            return self.gpus[-1]

        monkeypatch.setattr("speech.onnx_sessions.ort.InferenceSession", session)
        monkeypatch.setattr("speech.onnx_sessions.ort.get_available_providers", lambda: [CUDA, CPU])


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    """As in a new process."""
    tell_fallback.cache_clear()
    yield
    tell_fallback.cache_clear()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "gpu_" in record.getMessage()]


@pytest.mark.parametrize("message", [ARENA_FULL, DEVICE_FULL])
def test_a_batch_that_does_not_fit_is_halved(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    waveforms = [speak("नमस्ते"), speak("न"), speak("मन नम"), speak("नम"), speak("मन")]
    longest = max(map(len, waveforms))
    opened = Opened(monkeypatch, 2 * longest, message)
    folder = ModelFolder.load(model_path)
    recogniser = OnnxCtcRecogniser(folder, device="cuda", gpu_memory=2 * GIB)
    before = recogniser.gpu_batch_bytes
    assert before is not None
    found = recogniser.log_probs(waveforms)
    expected = OnnxCtcRecogniser(folder).log_probs(waveforms)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    (gpu,) = opened.gpus
    assert gpu.runs == [2, 1, 2]  # 5 and 3 did not fit
    assert recogniser.gpu_batch_bytes == max(before // 4, SMALLEST_BATCH)
    assert [line.split(":")[:2] for line in said(caplog)] == [
        ["gpu_memory_exhausted", " a batch of 5 is halved"],
        ["gpu_memory_exhausted", " a batch of 3 is halved"],
    ]


def test_a_waveform_that_does_not_fit_alone_runs_on_the_cpu(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = Opened(monkeypatch, len(speak("नम")), DEVICE_FULL)
    recogniser = OnnxCtcRecogniser(ModelFolder.load(model_path), device="cuda")
    waveforms = [speak("नमस्ते"), speak("न")]
    found = recogniser.log_probs(waveforms)
    expected = OnnxCtcRecogniser(ModelFolder.load(model_path)).log_probs(waveforms)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert opened.gpus[0].runs == [1]
    assert f"{len(waveforms[0])} samples run on the CPU" in said(caplog)[-1]
    assert "out of memory" in said(caplog)[-1]


def test_other_errors_of_a_gpu_pass_through(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Opened(monkeypatch, 0, BROKEN)
    recogniser = OnnxCtcRecogniser(ModelFolder.load(model_path), device="cuda")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        recogniser.log_probs([speak("न"), speak("म")])


def test_a_full_cpu_is_not_a_full_gpu(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the worker process is replaced, because the memory of its machine is short."""
    recogniser = OnnxCtcRecogniser(ModelFolder.load(model_path))
    assert recogniser.gpu_batch_bytes is None
    monkeypatch.setattr(recogniser, "_session", SmallGpu(recogniser._session, 0, ARENA_FULL))
    with pytest.raises(RuntimeError, match="Available memory"):
        recogniser.log_probs([speak("न"), speak("म")])


def test_the_limit_reaches_the_provider(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(monkeypatch, 10**9, "")
    Engine.load(model_path, device="cuda", gpu_memory=123_456_789)
    Engine.load(model_path, device="cuda")
    assert [one.get("gpu_mem_limit") for one in opened.options] == ["123456789", None]


def test_more_memory_makes_larger_batches_and_the_same_text(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = " ".join(["नमस्ते"] * 60)
    path = write_wav(tmp_path / "a.wav", speak(text))
    runs: dict[int, list[int]] = {}
    texts = set()
    monkeypatch.setattr("speech.recognisers.onnx_ctc.FRAME_BYTES", 2_000_000)
    for limit in (0, 4 * GIB):
        opened = Opened(monkeypatch, 10**9, "")
        engine = Engine.load(model_path, device="cuda", gpu_memory=limit)
        texts.add(" ".join(segment.text for segment in engine.transcribe(path).segments()))
        runs[limit] = opened.gpus[0].runs
    assert texts == {text}
    assert max(runs[4 * GIB]) > max(runs[0])
    assert sum(runs[4 * GIB]) == sum(runs[0])


def test_a_gpu_runs_the_float32_graph_of_a_quantised_model(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(precision="int8")
    shutil.copyfile(folder / "model.onnx", folder / "model.int8.onnx")
    opened = Opened(monkeypatch, 10**9, "")
    waveforms = [speak("न"), speak("म")]
    OnnxCtcRecogniser(ModelFolder.load(folder), device="cuda").log_probs(waveforms)
    assert opened.gpus[0].runs == [2]
    (folder / "model.onnx").unlink()
    OnnxCtcRecogniser(ModelFolder.load(folder), device="cuda").log_probs(waveforms)
    assert opened.gpus[1].runs == [1, 1]
