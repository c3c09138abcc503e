"""No recording that is evaluated is trained on: by what is in the files, not by their names.

Files are compared by the digest of their content, all of them; those of real Hindi also by the digest of the
audio that they decode to, so that a copy in another container would be found. What these digests cannot find
is the same take cut, filtered or compressed with loss once more. The texts are compared in `test_text` and
`test_language_model`.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import soundfile

from modelkit.measuring.manifest import read_manifest
from tests.speech.sounds import speak, write_wav
from training.corpora.prepare import Task
from training.recipe import EVALUATION_SETS, HELD_OUT_BOOKS


def digest_of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of_audio(path: Path) -> str:
    """Of the samples as 16-bit numbers and their rate, whatever the container."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    return hashlib.sha256(str(rate).encode() + samples.tobytes()).hexdigest()


def shared(first: Iterable[Path], second: Iterable[Path], digest: Callable[[Path], str]) -> set[str]:
    return {digest(path) for path in first} & {digest(path) for path in second}


@pytest.fixture(scope="module")
def trained(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task.split == "train" and task.path]


@pytest.fixture(scope="module")
def evaluated(speech_dir: Path) -> list[Path]:
    """Every clip of the evaluation sets, and the single words of the held-out books."""
    found = []
    for chosen in EVALUATION_SETS:
        found += [entry.path for entry in read_manifest(speech_dir / chosen.manifest, chosen.speakers)]
    words = read_manifest(speech_dir / "reader-hi" / "words.tsv", HELD_OUT_BOOKS)
    return found + [entry.path for entry in words]


def test_no_evaluated_file_is_trained_on(trained: list[Task], evaluated: list[Path]) -> None:
    assert len(evaluated) > 77
    assert len(trained) > 10_000
    assert not shared([Path(task.path) for task in trained], evaluated, digest_of_file)


def test_no_evaluated_audio_is_trained_on_as_hindi(trained: list[Task], evaluated: list[Path]) -> None:
    hindi = [Path(task.path) for task in trained if task.language == "hi" and not task.kokoro]
    assert len(hindi) > 900
    assert not shared(hindi, evaluated, digest_of_audio)


def test_a_copy_in_another_container_would_be_found(tmp_path: Path) -> None:
    original = write_wav(tmp_path / "a.wav", speak("नम"))
    samples, rate = soundfile.read(original, dtype="int16")
    soundfile.write(tmp_path / "copy.flac", samples, rate, subtype="PCM_16")
    other = write_wav(tmp_path / "b.wav", speak("सम"))
    assert shared([tmp_path / "copy.flac"], [original], digest_of_audio)
    assert not shared([other], [original], digest_of_audio)
    assert not shared([tmp_path / "copy.flac"], [original], digest_of_file)
