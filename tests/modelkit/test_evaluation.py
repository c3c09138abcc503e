from pathlib import Path

import pytest

from modelkit.evaluation import by_speaker, rate, score_hypotheses, score_model, scored, summary
from modelkit.manifest import Entry, read_manifest
from modelkit.scoring import ErrorCounts
from speech import Engine
from tests.speech.sounds import silence, speak, write_model, write_wav

HEADER = "path\ttext\tseconds\tspeaker\tlanguage\n"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two speakers; the second recording does not say what the manifest says."""
    write_wav(tmp_path / "a.wav", speak("नम नम"))
    write_wav(tmp_path / "b.wav", speak("नम सम"))
    path = tmp_path / "manifest.tsv"
    path.write_text(HEADER + "a.wav\tनम नम।\t1\tone\thi\nb.wav\tनम नम\t1\ttwo\thi\n", encoding="utf-8")
    return path


def test_the_engine_is_scored_on_each_recording(tmp_path: Path, manifest: Path) -> None:
    engine = Engine.load(write_model(tmp_path / "model"))
    advanced: list[int] = []
    results = score_model(engine, read_manifest(manifest), lambda: advanced.append(1))
    measured = summary("made", results)
    assert [r.hypothesis for r in results] == ["नम नम", "नम सम"]
    assert len(advanced) == 2
    assert measured["wer"] == 0.25
    assert measured["cer"] == 0.1
    assert measured["clips"] == measured["speakers"] == 2
    assert measured["seconds"] > 1
    assert measured["normaliser"] == "speech.text.normalise_for_scoring 1"


def test_silence_is_scored_as_deletions(tmp_path: Path) -> None:
    engine = Engine.load(write_model(tmp_path / "model"))
    path = write_wav(tmp_path / "quiet.wav", silence(1.0))
    (result,) = score_model(engine, [Entry(path, "नम नम", "")], lambda: None)
    assert (result.hypothesis, result.words.deletions) == ("", 2)


def test_only_the_named_speakers_are_read(manifest: Path) -> None:
    assert [e.speaker for e in read_manifest(manifest, {"two"})] == ["two"]


def test_a_manifest_without_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"
    path.write_text("path\tspeaker\na.wav\tone\n", encoding="utf-8")
    with pytest.raises(ValueError, match="text"):
        read_manifest(path)


def test_transcripts_are_found_by_the_stem_of_the_recording(tmp_path: Path, manifest: Path) -> None:
    (tmp_path / "a.txt").write_text("नम नम\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("नम\n", encoding="utf-8")
    results = score_hypotheses(tmp_path, read_manifest(manifest))
    assert [r.words.errors for r in results] == [0, 1]


def test_a_missing_transcript_is_an_error_and_no_better_score(tmp_path: Path, manifest: Path) -> None:
    (tmp_path / "a.txt").write_text("नम नम\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"lacks 1 of 2 transcripts.*b\.txt"):
        score_hypotheses(tmp_path, read_manifest(manifest))


def test_a_corpus_rate_weighs_recordings_by_their_length() -> None:
    found = rate([ErrorCounts(substitutions=1, reference_length=1), ErrorCounts(reference_length=99)])
    assert found.value == 0.01
    assert 0.0 == found.low <= found.value <= found.high == 1.0


def test_the_interval_narrows_with_more_recordings() -> None:
    few = [ErrorCounts(substitutions=i % 3, reference_length=5) for i in range(6)]
    small, large = rate(few), rate(few * 50)
    assert small.value == large.value
    assert large.high - large.low < (small.high - small.low) / 3


def test_groups_by_speaker() -> None:
    entries = [Entry(Path("x.wav"), "नम", s) for s in ("two", "one", "two")]
    groups = by_speaker([scored(e, "नम", 1.0) for e in entries])
    assert {name: len(group) for name, group in groups.items()} == {"one": 1, "two": 2}
    assert list(groups) == ["one", "two"]
