import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelkit.description import read_description, record_evaluation, write_description
from modelkit.verification import check_padding, check_shapes, record_check, verify
from speech import ModelFolder
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from tests.speech.sounds import speak, write_model, write_wav


def outcome(folder: Path, samples: Path) -> dict[str, bool | None]:
    return {check.name: check.passed for check in verify(folder, samples)}


def test_a_good_folder_passes(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    clip = write_wav(tmp_path / "clip.wav", speak("नम नम"))
    record_check(folder, clip)
    assert read_description(folder)["check"]["text"] == "नम नम"
    assert outcome(folder, tmp_path) == dict.fromkeys(
        ("description", "files", "shapes", "padding", "clip"), True
    )


def test_each_graph_of_a_folder_is_checked(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    shutil.copyfile(folder / "model.onnx", folder / "model.int8.onnx")
    write_description(folder, {**read_description(folder), "precision": "int8"})
    found = [(check.name, check.found.split(":")[0]) for check in verify(folder, tmp_path)]
    graphs = [(name, precision) for precision in ("float32", "int8") for name in ("shapes", "padding")]
    assert found[2:-1] == graphs
    (folder / "model.int8.onnx").unlink()
    write_description(folder, read_description(folder))
    assert outcome(folder, tmp_path) == {"description": True, "files": False}


def test_without_its_clip_the_text_is_skipped_and_not_passed(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    assert outcome(folder, tmp_path)["clip"] is None
    record_check(folder, write_wav(tmp_path / "clip.wav", speak("नम")))
    assert outcome(folder, tmp_path / "elsewhere")["clip"] is None


def test_another_text_fails(tmp_path: Path) -> None:
    clip = write_wav(tmp_path / "clip.wav", speak("नम"))
    folder = write_model(tmp_path / "model")
    record_check(folder, clip)
    expected = {**read_description(folder)["check"], "text": "सम"}
    assert outcome(write_model(folder, check=expected), tmp_path)["clip"] is False


def test_another_clip_fails(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    record_check(folder, write_wav(tmp_path / "clip.wav", speak("नम")))
    write_wav(tmp_path / "clip.wav", speak("सम"))
    assert outcome(folder, tmp_path)["clip"] is False


def test_a_changed_file_fails_and_nothing_is_run(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    tokens = folder / "tokens.txt"
    tokens.write_text(tokens.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert outcome(folder, tmp_path) == {"description": True, "files": False}


def test_a_folder_without_digests_fails(tmp_path: Path) -> None:
    assert outcome(write_model(tmp_path / "model", files={}), tmp_path)["hashes"] is False


def test_no_folder_fails(tmp_path: Path) -> None:
    assert outcome(tmp_path, tmp_path) == {"description": False}


class Leaking:
    """A recogniser whose output depends on the length of the batch, as one without masks does."""

    def __init__(self, folder: ModelFolder) -> None:
        self._inner = OnnxCtcRecogniser(folder)

    def log_probs(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        longest = max(len(w) for w in waveforms)
        return [rows + 0.01 * longest / 16000 for rows in self._inner.log_probs(waveforms)]

    def warm(self) -> None:
        self._inner.warm()


def test_padding_that_leaks_is_found(tmp_path: Path) -> None:
    folder = ModelFolder.load(write_model(tmp_path / "model"))
    assert check_padding(folder, OnnxCtcRecogniser(folder)).passed is True
    assert check_padding(folder, Leaking(folder)).passed is False


def test_what_is_no_distribution_is_found(tmp_path: Path) -> None:
    folder = ModelFolder.load(write_model(tmp_path / "model"))
    assert check_shapes(folder, Leaking(folder)).passed is False


def test_a_wrong_frame_stride_is_found(tmp_path: Path) -> None:
    folder = ModelFolder.load(write_model(tmp_path / "model", frame_stride=0.08))
    assert check_shapes(folder, OnnxCtcRecogniser(folder)).passed is False


def test_a_new_figure_takes_the_place_of_the_old(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    figure = {"set": "dev", "decoder": "greedy", "normaliser": "n 1", "wer": 0.5}
    record_evaluation(folder, figure)
    record_evaluation(folder, {**figure, "set": "test"})
    record_evaluation(folder, {**figure, "wer": 0.4})
    kept = read_description(folder)["evaluation"]
    assert sorted((e["set"], e["wer"]) for e in kept) == [("dev", 0.4), ("test", 0.5)]
    ModelFolder.load(folder).verify_hashes()
