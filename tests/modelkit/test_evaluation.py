from pathlib import Path

import pytest

from modelkit.measuring.evaluation import by_speaker, rate, score_hypotheses, score_model, scored, summary
from modelkit.measuring.manifest import Entry, read_manifest
from modelkit.measuring.scoring import ErrorCounts
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


@pytest.mark.parametrize(
    "layout",
    [
        ("calls/one/a.txt", "calls/two/a.txt"),  # submit ROOT --out
        ("one/a.txt", "two/a.txt"),  # submit ROOT/calls --out
        ("one/a.wav.txt", "two/a.wav.txt"),  # beside recordings of the same name in another format
    ],
)
def test_transcripts_in_subfolders_as_submit_writes_them(tmp_path: Path, layout: tuple[str, str]) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    entries = [Entry(root / "calls" / name / "a.wav", f"नम {name}", "") for name in ("one", "two")]
    for entry, written in zip(entries, layout, strict=True):
        (out / written).parent.mkdir(parents=True)
        (out / written).write_bytes(f"\ufeff{entry.text}\r\n".encode())
    assert [result.words.errors for result in score_hypotheses(out, entries)] == [0, 0]


def test_a_transcript_in_a_subfolder_that_the_recording_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "a.txt").write_text("नम", encoding="utf-8")
    (result,) = score_hypotheses(tmp_path / "out", [Entry(tmp_path / "a.wav", "नम", "")])
    assert result.words.errors == 0


def test_two_recordings_do_not_share_a_transcript(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("नम", encoding="utf-8")
    entries = [Entry(tmp_path / name / "a.wav", "नम", "") for name in ("one", "two")]
    with pytest.raises(ValueError, match="would be the transcript of both"):
        score_hypotheses(tmp_path, entries)


def test_missing_files_are_named_and_counted(tmp_path: Path) -> None:
    entries = [Entry(tmp_path / f"{number}.wav", "नम", "") for number in range(12)]
    with pytest.raises(FileNotFoundError, match=r"lacks 12 of 12 transcripts: 0\.txt, .*9\.txt and 2 more"):
        score_hypotheses(tmp_path, entries)
    (tmp_path / "0.wav").touch()
    engine = Engine.load(write_model(tmp_path / "model"))
    with pytest.raises(FileNotFoundError, match=r"^11 of 12 recordings .*: \S+1\.wav, .* and 1 more"):
        score_model(engine, entries, lambda: None)


def test_a_manifest_from_windows(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.wav").touch()
    (tmp_path / "odd\\name.wav").touch()
    path = tmp_path / "manifest.tsv"
    path.write_bytes("\ufeffpath\ttext\r\nsub\\a.wav\tनम\r\nodd\\name.wav\tसम\r\n".encode())
    first, second = read_manifest(path)
    assert (first.path, first.text) == (tmp_path / "sub" / "a.wav", "नम")
    assert (second.path, second.text) == (tmp_path / "odd\\name.wav", "सम")


def test_a_manifest_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"
    path.write_text("path\ttext\na.wav\tनम\n", encoding="utf-16")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_manifest(path)


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
