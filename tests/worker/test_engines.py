"""Which models a worker process holds, and what it does with its memory."""

import gc
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from structlog.testing import capture_logs

from modelkit.folder_swap import replace_folder
from shared.errors import ModelNotInstalled
from shared.settings import Settings
from speech import Engine, ModelInvalid
from tests.speech.sounds import speak, write_model, write_wav
from worker.engines import Engines
from worker.resident_memory import private_bytes

MIB = 2**20


def write_heavy_model(folder: Path, mebibytes: int) -> Path:
    """The toy model with weights that it reads a row of, and adds zero."""
    write_model(folder, name=folder.name)
    graph = onnx.load(folder / "model.onnx")
    ballast = np.zeros((mebibytes, MIB // 4), np.float32)
    zero, last = np.array(0, np.int64), np.array([-1], np.int64)
    for name, value in {"ballast": ballast, "zero": zero, "last": last}.items():
        graph.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    softmax = next(node for node in graph.graph.node if node.op_type == "LogSoftmax")
    softmax.input[0] = "heavy_logits"
    index = list(graph.graph.node).index(softmax)
    for node in reversed(
        [
            helper.make_node("Mul", ["lengths", "zero"], ["row"]),
            helper.make_node("Gather", ["ballast", "row"], ["rows"]),
            helper.make_node("ReduceSum", ["rows", "last"], ["sums"], keepdims=1),
            helper.make_node("Unsqueeze", ["sums", "last"], ["column_of_sums"]),
            helper.make_node("Add", ["logits", "column_of_sums"], ["heavy_logits"]),
        ]
    ):
        graph.graph.node.insert(index, node)
    assert ballast.dtype == onnx.helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT)
    onnx.save(graph, folder / "model.onnx")
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    card["files"]["model.onnx"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def heavy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models of 40 MiB each, in a process that has loaded one before, so has what a first load takes."""
    folder = tmp_path_factory.mktemp("heavy")
    for name in "abcd":
        write_heavy_model(folder / name, 40)
    Engines(folder, threads=1).get("a")
    gc.collect()
    return folder


def test_a_model_is_loaded_once(tmp_path: Path) -> None:
    write_model(tmp_path / "toy")
    engines = Engines(tmp_path, threads=1)
    with capture_logs() as logs:
        engine = engines.get("toy")
        assert engines.get("toy") is engine
    (line,) = logs
    assert line["event"] == "model_loaded"
    assert line["model"] == "toy"
    assert line["seconds"] > 0
    assert line["bytes"] == engines.loaded["toy"] > 0


def test_the_model_that_was_not_used_for_longest_makes_room(
    heavy_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other threads of the test process allocate memory, too. Each model then has the size of its files.
    monkeypatch.setattr("worker.engines.private_bytes", lambda: 0)
    engines = Engines(heavy_models, threads=1, budget=119 * MIB)
    for name in "aba":
        engines.get(name)
    with capture_logs() as logs:
        engines.get("c")
    assert list(engines.loaded) == ["a", "c"]
    assert [(line["event"], line["model"]) for line in logs] == [
        ("model_evicted", "b"),
        ("model_loaded", "c"),
    ]
    assert sum(engines.loaded.values()) <= 119 * MIB


def test_the_size_of_a_model_is_that_of_its_memory(heavy_models: Path) -> None:
    engines = Engines(heavy_models, threads=1)
    engines.get("b")
    assert 40 * MIB <= engines.loaded["b"] < 100 * MIB


def test_memory_of_an_unloaded_model_is_free_again(heavy_models: Path) -> None:
    engines = Engines(heavy_models, threads=1, budget=50 * MIB)
    engines.get("a")
    before = private_bytes()
    with capture_logs() as logs:
        for name in "bcdabcd":
            engines.get(name)
    assert private_bytes() < before + 15 * MIB
    freed = [line["freed_bytes"] for line in logs if line["event"] == "model_evicted"]
    assert len(freed) == 7
    assert min(freed) > 35 * MIB


def test_the_model_that_is_wanted_is_loaded_even_if_it_exceeds_the_budget(heavy_models: Path) -> None:
    engines = Engines(heavy_models, threads=1, budget=20 * MIB)
    with capture_logs() as logs:
        for name in "aab":
            engines.get(name)
    assert list(engines.loaded) == ["b"]
    events = [line["event"] for line in logs]
    assert events == [
        "model_loaded",
        "model_exceeds_budget",
        "model_evicted",
        "model_loaded",
        "model_exceeds_budget",
    ]


def test_without_a_budget_models_stay(tmp_path: Path) -> None:
    for name in "abcd":
        write_model(tmp_path / name, name=name)
    engines = Engines(tmp_path, threads=1)
    for name in "abcd":
        engines.get(name)
    assert list(engines.loaded) == list("abcd")


def test_models_transcribe_in_turn_within_a_small_budget(heavy_models: Path, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", speak("नम मन"))
    engines = Engines(heavy_models, threads=1, budget=0)
    for name in "abab":
        events = list(engines.get(name).transcribe(path))
        assert [event.text for event in events if hasattr(event, "text")] == ["नम मन"]


def test_a_model_that_cannot_be_loaded_leaves_the_others(tmp_path: Path) -> None:
    write_model(tmp_path / "good")
    (write_model(tmp_path / "bad") / "model.onnx").write_bytes(b"no graph")
    engines = Engines(tmp_path, threads=1)
    engines.get("good")
    with pytest.raises(ModelInvalid):
        engines.get("bad")
    with pytest.raises(ModelNotInstalled):
        engines.get("absent")
    assert list(engines.loaded) == ["good"]


def put_in_place(folder: Path, **changes: object) -> None:
    """Replace a model folder at once, as `modelkit install` does."""
    replace_folder(write_model(folder.parent / ".staged", name=folder.name, **changes), folder)


def test_a_new_version_is_used_from_the_next_job_on(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", speak("नम मन"))
    models = tmp_path / "models"
    write_model(models / "toy")
    engines = Engines(models, threads=1)
    old = engines.get("toy")
    running = iter(old.transcribe(path))
    next(running)
    put_in_place(models / "toy", description="Newer.")
    assert not engines.has_current("toy")
    new = engines.get("toy")
    assert new is not old
    assert new.folder.description == "Newer."
    assert new.folder.version != old.folder.version
    assert [event.text for event in running if hasattr(event, "text")] == ["नम मन"]
    assert engines.has_current("toy")
    assert engines.get("toy") is new
    assert [path.name for path in models.iterdir()] == ["toy"]


def damage(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"another graph than model.json says")


def write_no_json(folder: Path) -> None:
    (folder / "model.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("break_it", [damage, write_no_json, shutil.rmtree])
def test_a_broken_version_leaves_the_loaded_one_in_use(
    tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    write_model(tmp_path / "toy")
    engines = Engines(tmp_path, threads=1)
    good = engines.get("toy")
    staged = write_model(tmp_path / ".staged", description="Newer.")
    if break_it is shutil.rmtree:
        shutil.rmtree(staged)
        break_it(tmp_path / "toy")
    else:
        break_it(staged)
        replace_folder(staged, tmp_path / "toy")
    with capture_logs() as logs:
        assert engines.get("toy") is engines.get("toy") is good
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("model_update_refused", "warning")
    assert line["kept_version"] == good.folder.version
    assert line["reason"]
    if not (tmp_path / "toy").exists():
        write_model(tmp_path / "toy", description="Repaired.")
    else:
        put_in_place(tmp_path / "toy", description="Repaired.")
    assert engines.get("toy").folder.description == "Repaired."


def test_a_version_that_is_replaced_while_it_is_loaded_is_never_used_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "toy", description="1")
    versions = iter("23")
    warm = Engine.warm

    def replaced(engine: Engine) -> None:
        warm(engine)
        for number in versions:
            put_in_place(tmp_path / "toy", description=number)
            return

    monkeypatch.setattr(Engine, "warm", replaced)
    assert Engines(tmp_path, threads=1).get("toy").folder.description == "3"


def test_one_version_is_in_memory_after_a_switch(tmp_path: Path) -> None:
    write_heavy_model(tmp_path / "a", 40)
    engines = Engines(tmp_path, threads=1, budget=100 * MIB)
    engines.get("a")
    before = private_bytes()
    for _ in range(3):
        replace_folder(write_heavy_model(tmp_path / "b", 40), tmp_path / "a")
        engines.get("a")
    assert private_bytes() < before + 15 * MIB


@pytest.mark.parametrize(
    ("changes", "budget"),
    [
        ({}, 2 * 2**30),
        ({"worker_memory_bytes": 0}, None),
        ({"worker_memory_bytes": 0, "models_memory_bytes": 5}, 5),
        ({"models_memory_bytes": 0}, 0),
    ],
)
def test_the_budget_follows_from_the_memory_of_a_worker(changes: dict[str, int], budget: int | None) -> None:
    assert Settings(**changes).models_budget == budget
