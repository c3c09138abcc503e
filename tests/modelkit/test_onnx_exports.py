"""Exports in the layouts of onnx-asr and sherpa-onnx: theirs become ours, ours run in the real packages."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_asr
import onnxruntime
import pytest
import sherpa_onnx
import soundfile
from onnx import TensorProto, helper, numpy_helper
from onnx_asr.preprocessors.preprocessor import IdentityPreprocessor

from modelkit import write_description
from modelkit.errors import FamilyUnsupported, SourceInvalid
from modelkit.families import Listing, Wishes
from modelkit.families.onnx_exports import FAMILY
from modelkit.graphs.layouts import export_onnx_asr, export_sherpa_onnx
from modelkit.measuring.evaluation import transcribe
from modelkit.verification import verify
from speech import Engine, ModelFolder
from tests.conftest import MODEL, ROOT

CLIPS = sorted((ROOT / "samples").glob("*.wav"))
LAYOUTS = {"onnx-asr": export_onnx_asr, "sherpa-onnx": export_sherpa_onnx}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    for layout, export in LAYOUTS.items():
        export(ModelFolder.load(ROOT / "models" / MODEL), folder / layout)
    return {layout: folder / layout for layout in LAYOUTS}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    engine = Engine.load(ROOT / "models" / MODEL, precision="float32", decoder="greedy")
    return [transcribe(engine, clip)[0] for clip in CLIPS]


def listing_of(folder: Path) -> Listing:
    config = folder / "config.json"
    return Listing(
        {path.name: path.stat().st_size for path in folder.iterdir()},
        json.loads(config.read_text()) if config.is_file() else {},
    )


def made_of(source: Path, target: Path) -> Path:
    target.mkdir()
    write_description(target, {"format": 1, "name": target.name, **FAMILY.convert(source, target, Wishes())})
    return target


def test_onnx_asr_runs_the_default_model_and_gives_the_same_texts(
    exported: dict[str, Path], texts: list[str]
) -> None:
    model = onnx_asr.load_model("nemo-conformer-ctc", exported["onnx-asr"])
    model.asr._preprocessor = IdentityPreprocessor()  # the graph has its features inside
    assert [model.recognize(str(clip)) for clip in CLIPS] == texts


def test_sherpa_onnx_runs_the_default_model_and_gives_the_same_texts(
    exported: dict[str, Path], texts: list[str]
) -> None:
    folder = exported["sherpa-onnx"]
    recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        model=str(folder / "model.onnx"), tokens=str(folder / "tokens.txt"), num_threads=1
    )
    found = []
    for clip in CLIPS:
        samples, rate = soundfile.read(clip, dtype="float32")
        stream = recogniser.create_stream()
        stream.accept_waveform(rate, samples)
        recogniser.decode_stream(stream)
        found.append(stream.result.text)
    assert found == texts


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_becomes_a_model_folder_again(
    layout: str, exported: dict[str, Path], texts: list[str], tmp_path: Path
) -> None:
    source = exported[layout]
    assert FAMILY.wanted(listing_of(source)) is not None
    folder = made_of(source, tmp_path / "made")
    assert [check.found for check in verify(folder, folder) if check.passed is False] == []
    card = ModelFolder.load(folder)
    assert card.frame_stride == 0.04
    assert card.batched is (layout == "onnx-asr")  # without lengths, padding would be taken for audio
    engine = Engine.load(folder)
    assert [transcribe(engine, clip)[0] for clip in CLIPS] == texts


TOKENS = 5


def nemo_like(folder: Path, *, metadata: dict[str, str] | None = None, mels: int = 80) -> Path:
    """A NeMo export with the true inputs and outputs: every eighth frame times a matrix."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(5)
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["audio_signal"], ["frames"], perm=[0, 2, 1]),
            helper.make_node("Slice", ["frames", "zero", "end", "axis", "step"], ["eighth"]),
            helper.make_node("MatMul", ["eighth", "weights"], ["logits"]),
            helper.make_node("LogSoftmax", ["logits"], ["logprobs"], axis=2),
        ],
        "nemo",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["batch", mels, "time"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("logprobs", TensorProto.FLOAT, ["batch", "frames", TOKENS])],
        [
            numpy_helper.from_array(random.normal(0, 1, (mels, TOKENS)).astype(np.float32), "weights"),
            numpy_helper.from_array(np.array([0]), "zero"),
            numpy_helper.from_array(np.array([2**31]), "end"),
            numpy_helper.from_array(np.array([1]), "axis"),
            numpy_helper.from_array(np.array([8]), "step"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, folder / "model.onnx")
    return folder


def write_tokens(path: Path) -> None:
    path.write_text("▁न 0\nम 1\n▁स 2\nर 3\n<blk> 4\n", encoding="utf-8")


def test_a_nemo_export_gets_its_features_and_gives_what_onnx_asr_gives(tmp_path: Path) -> None:
    source = nemo_like(tmp_path / "export")
    write_tokens(source / "vocab.txt")
    config = {"model_type": "nemo-conformer-ctc", "features_size": 80, "subsampling_factor": 8}
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    folder = made_of(source, tmp_path / "made")
    assert [check.found for check in verify(folder, folder) if check.passed is False] == []
    card = ModelFolder.load(folder)
    assert (card.frame_stride, card.blank_id, card.batched) == (0.08, 4, True)

    theirs = onnx_asr.load_model("nemo-conformer-ctc", source)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    for clip in CLIPS:
        samples, _ = soundfile.read(clip, dtype="float32")
        lengths = np.array([len(samples)])
        features = theirs.asr._preprocessor(samples[None], lengths)
        expected, counts = theirs.asr._encode(*features)
        found, frames = session.run(None, {"waveform": samples[None], "lengths": lengths})
        assert frames[0] == counts[0]
        np.testing.assert_allclose(found[0, : frames[0]], expected[0, : counts[0]], atol=2e-3)


def test_metadata_of_the_graph_names_the_subsampling_of_sherpa_onnx(tmp_path: Path) -> None:
    metadata = {"model_type": "EncDecCTCModelBPE", "subsampling_factor": "8", "vocab_size": "4"}
    source = nemo_like(tmp_path / "export", metadata=metadata)
    write_tokens(source / "tokens.txt")
    card = ModelFolder.load(made_of(source, tmp_path / "made"))
    assert (card.frame_stride, card.blank_id) == (0.08, 4)


def test_a_wrong_vocabulary_is_refused(tmp_path: Path) -> None:
    source = nemo_like(tmp_path / "export")
    (source / "tokens.txt").write_text("a 0\nb 1\n", encoding="utf-8")
    (tmp_path / "made").mkdir()
    with pytest.raises(SourceInvalid, match="5 outputs for 2 tokens"):
        FAMILY.convert(source, tmp_path / "made", Wishes())


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x07"])
def test_a_damaged_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    write_tokens(tmp_path / "tokens.txt")
    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "made").mkdir()
    with pytest.raises((SourceInvalid, FamilyUnsupported)):
        FAMILY.convert(tmp_path, tmp_path / "made", Wishes())


def test_transducers_and_other_types_are_refused_before_the_download() -> None:
    with pytest.raises(FamilyUnsupported, match="transducer"):
        FAMILY.wanted(Listing({"encoder.onnx": 1, "decoder.onnx": 1, "joiner.onnx": 1, "tokens.txt": 1}))
    with pytest.raises(FamilyUnsupported, match="gigaam"):
        FAMILY.wanted(Listing({"model.onnx": 1, "vocab.txt": 1}, {"model_type": "gigaam-v2-ctc"}))
    assert FAMILY.wanted(Listing({"model.safetensors": 1, "vocab.json": 1})) is None


def test_of_several_precisions_the_exact_one_is_taken_and_nothing_else_is_downloaded() -> None:
    sizes = dict.fromkeys(["ctc.int8.onnx", "ctc.onnx", "ctc.onnx.data", "tokens.txt", "test.wav"], 1)
    assert FAMILY.wanted(Listing(sizes)) == ["ctc.onnx", "tokens.txt", "ctc.onnx.data"]
    with pytest.raises(SourceInvalid, match="Which graph"):
        FAMILY.wanted(Listing({"a.onnx": 1, "b.onnx": 1, "tokens.txt": 1}))


def test_kaldis_features_are_refused(tmp_path: Path) -> None:
    source = nemo_like(tmp_path / "export")
    write_tokens(source / "tokens.txt")
    model = onnx.load(source / "model.onnx")
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_param, dims[2].dim_value = "time", 80
    onnx.save(model, source / "model.onnx")
    (tmp_path / "made").mkdir()
    with pytest.raises(FamilyUnsupported, match="Kaldi"):
        FAMILY.convert(source, tmp_path / "made", Wishes())
