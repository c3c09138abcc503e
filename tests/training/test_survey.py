"""What `shrutlekh train` finds in manifests and in a folder of Common Voice."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modelkit import read_manifest
from tests.speech.sounds import silence, write_wav
from training.adaptation.common_voice import located, read_split, training_rows, write_manifest
from training.adaptation.holding_out import at_most, chosen_speakers, split
from training.adaptation.plan import kept_plan, make_plan, save_plan
from training.adaptation.request import Request, TrainingRefused
from training.adaptation.survey import Clip, Reason, read_clips, survey, write_clips
from training.text.sentences import forbidden_keys


def write_tsv(path: Path, header: str, rows: list[tuple[str, ...]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(row) for row in rows]
    path.write_text("\n".join([header.replace(" ", "\t"), *lines]) + "\n", encoding="utf-8")
    return path


def clips(seconds: dict[str, list[float]]) -> list[Clip]:
    """Clips of speakers, each with a sentence of its own."""
    letters = "कखगघचछजझटठडढतथदधनपफबभमयरलवशसह"
    texts = (f"यह {one}{other} है" for one in letters for other in letters)
    return [
        Clip(Path(f"{speaker}-{number}.wav"), next(texts), speaker, length)
        for speaker, lengths in seconds.items()
        for number, length in enumerate(lengths)
    ]


def test_clips_are_skipped_with_a_reason_and_the_line(tmp_path: Path) -> None:
    for name, seconds, rate in (("good", 1.0, 16_000), ("slow", 1.0, 8_000), ("short", 0.1, 16_000),
                                ("long", 17.0, 16_000)):  # fmt: skip
        write_wav(tmp_path / f"{name}.wav", np.zeros(round(seconds * rate), np.float32), rate)
    (tmp_path / "broken.wav").write_bytes(b"not audio")
    rows = [
        ("good.wav", "एक दो, तीन।", "one", "hi"),
        ("slow.wav", "चार पाँच", "two", ""),
        ("none.wav", "एक", "one", "hi"),
        ("broken.wav", "एक", "one", "hi"),
        ("short.wav", "एक", "one", "hi"),
        ("long.wav", "एक", "one", "hi"),
        ("good.wav", "कमरा 5", "one", "hi"),
        ("good.wav", "यह OK है", "one", "hi"),
        ("good.wav", "это", "one", "hi"),
        ("good.wav", "।", "one", "hi"),
        ("good.wav", "one two", "one", "en"),
        ("good.wav", "यह मत सीखो", "one", "hi"),
    ]
    manifest = write_tsv(tmp_path / "train.tsv", "path text speaker language", rows)
    kept = write_tsv(tmp_path / "dev.tsv", "path text", [("x.wav", "यह मत सीखो।")])
    found = survey([manifest], forbidden_keys([kept], ()))
    assert [(clip.path.name, clip.text, clip.seconds) for clip in found.clips] == [
        ("good.wav", "एक दो, तीन।", 1.0),
        ("slow.wav", "चार पाँच", 1.0),
    ]
    assert found.skipped == {
        Reason.MISSING: 1, Reason.UNREADABLE: 1, Reason.SHORT: 1, Reason.LONG: 1, Reason.DIGITS: 1,
        Reason.LATIN: 1, Reason.CHARACTERS: 1, Reason.EMPTY: 1, Reason.LANGUAGE: 1, Reason.HELD_OUT: 1,
    }  # fmt: skip
    assert found.examples[Reason.MISSING] == [f"{manifest} line 4 (none.wav)"]
    assert found.speakers == {"one": 1.0, "two": 1.0}
    write_clips(tmp_path / "kept.tsv", found.clips)
    assert read_clips(tmp_path / "kept.tsv") == found.clips
    assert [entry.text for entry in read_manifest(tmp_path / "kept.tsv")] == ["एक दो, तीन।", "चार पाँच"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("path\tspeaker\na.wav\tx\n", "lacks the column text"), ("path\ttext\na.wav\tएक\nb.wav\n", "line 3")],
)
def test_a_broken_manifest_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "train.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        survey([tmp_path / "train.tsv"])


def test_whole_speakers_are_held_out_and_nobody_hears_them() -> None:
    spoken = clips({f"s{number}": [5.0] * 10 for number in range(12)})
    parts = split(spoken)
    assert 1 <= len(parts.speakers) <= 2
    assert {clip.speaker for clip in parts.held_out} == set(parts.speakers)
    assert not {clip.speaker for clip in parts.train} & set(parts.speakers)
    assert len(parts.train) + len(parts.held_out) == len(spoken)
    assert split(list(reversed(spoken))).speakers == parts.speakers
    assert split(spoken, ["s3", "s4"]).speakers == ("s3", "s4")


def test_of_one_voice_sentences_are_held_out_with_all_their_takes() -> None:
    spoken = clips({"only": [3.0] * 40})
    spoken += [Clip(Path("again.wav"), clip.text, "only", 3.0) for clip in spoken[:40]]
    assert chosen_speakers(spoken) == ()
    parts = split(spoken)
    assert parts.speakers == ()
    assert not {clip.text for clip in parts.train} & {clip.text for clip in parts.held_out}
    assert 20 <= sum(clip.seconds for clip in parts.held_out) <= 40
    assert len(parts.train) + len(parts.held_out) == len(spoken)


def test_sentences_that_held_out_speakers_say_are_not_trained_on_unless_wanted() -> None:
    one = clips({"one": [2.0] * 5})
    other = [Clip(Path(f"o{n}.wav"), clip.text, "other", 2.0) for n, clip in enumerate(one[:2])]
    parts = split([*one, *other], ["other"])
    assert (len(parts.train), parts.dropped) == (3, 2)
    assert len(split([*one, *other], ["other"], keep_sentences=True).train) == 5


def test_a_large_set_is_measured_in_part() -> None:
    spoken = clips({"one": [6.0] * 30})
    chosen = at_most(spoken, 60.0)
    assert len(chosen) == 10
    assert chosen == at_most(spoken, 60.0)
    assert at_most(spoken, 1e6) == spoken


def of_speakers(folder: Path, count: int = 12) -> Path:
    write_wav(folder / "a.wav", silence(2.0))
    letters = "कखगघचछजझटठडढ"
    rows = [("a.wav", f"यह {letters[n]}{m} है".replace("0", "ल").replace("1", "म"), f"s{n}")
            for n in range(count) for m in range(2)]  # fmt: skip
    return write_tsv(folder / "train.tsv", "path text speaker", rows)


def test_a_plan_is_kept_for_the_next_start_and_refused_for_other_recordings(tmp_path: Path) -> None:
    manifest = of_speakers(tmp_path)
    request = Request("mine", tmp_path / "work", [manifest])
    assert kept_plan(request) is None
    plan, train, held_out = make_plan(request)
    assert (plan.clips, plan.held_out_clips) == (len(train), len(held_out))
    assert plan.frozen
    assert plan.held_out_speakers
    save_plan(request, plan, train, held_out)
    assert kept_plan(request) == plan
    manifest.write_text(manifest.read_text(encoding="utf-8") + "a.wav\tनया\ts1\n", encoding="utf-8")
    with pytest.raises(TrainingRefused, match=r"--manifest.*--fresh"):
        kept_plan(request)


def test_held_out_manifests_and_speakers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    manifest = of_speakers(tmp_path)
    with pytest.raises(TrainingRefused, match="No usable clip is by nobody"):
        make_plan(Request("mine", tmp_path / "work", [manifest], hold_out=["nobody"]))
    with pytest.raises(TrainingRefused, match=r"No clip is left to train on.*24 skipped.*--keep-sentences"):
        make_plan(Request("mine", tmp_path / "work", [manifest], dev=[manifest]))
    dev = write_tsv(tmp_path / "dev.tsv", "path text speaker", [("b.wav", "वह कल आया", "s1")])
    write_wav(tmp_path / "b.wav", silence(1.0))
    plan, _, held_out = make_plan(Request("mine", tmp_path / "work", [manifest], dev=[dev]))
    assert (plan.held_out_clips, held_out[0].text, plan.shared_speakers) == (1, "वह कल आया", ["s1"])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Common Voice as it is unpacked: real MP3 files of 48 kHz, whose splits share no speaker."""
    folder = tmp_path / "cv-corpus-1.0" / "hi"
    (folder / "clips").mkdir(parents=True)
    steps = np.arange(48_000) / 48_000
    said = {
        "train": [("एक दो तीन", "a"), ("चार पाँच छह", "b"), ("वह घर गया", "c")],
        "dev": [("पानी बहुत ठंडा था", "d")],
        "test": [("वह मेरा दोस्त है", "e"), ("यह बात सच है", "f")],
    }
    extra = [("एक और वाक्य", "e"), ("नया वाक्य है", "g"), ("वह मेरा दोस्त है", "h")]
    header = "client_id path sentence_id sentence up_votes"
    everything = []
    for name, rows in {**said, "other": extra}.items():
        written = []
        for number, (text, speaker) in enumerate(rows):
            clip = f"common_voice_hi_{name}{number}.mp3"
            tone = 0.3 * np.sin(2 * np.pi * (200 + 50 * number) * steps)
            soundfile.write(folder / "clips" / clip, tone, 48_000, format="MP3")
            written.append((speaker * 128, clip, "0", text, "2"))
        everything += written
        if name != "other":
            write_tsv(folder / f"{name}.tsv", header, written)
    write_tsv(folder / "validated.tsv", header, everything)
    return folder


def test_a_folder_of_common_voice_becomes_a_manifest(corpus: Path, tmp_path: Path) -> None:
    assert located(corpus.parent) == located(corpus) == corpus
    write_manifest(corpus, training_rows(corpus, "train"), tmp_path / "train.tsv")
    entries = read_manifest(tmp_path / "train.tsv")
    assert [(entry.text, entry.speaker, entry.language) for entry in entries] == [
        ("एक दो तीन", "a" * 16, "hi"), ("चार पाँच छह", "b" * 16, "hi"), ("वह घर गया", "c" * 16, "hi"),
    ]  # fmt: skip
    assert [clip.seconds for clip in survey([tmp_path / "train.tsv"]).clips] == pytest.approx(
        [1.0] * 3, abs=0.1
    )
    with pytest.raises(FileNotFoundError, match="no clips/"):
        located(corpus / "clips")
    with pytest.raises(FileNotFoundError, match=r"no invalid.tsv. Its splits: dev, test, train, validated"):
        read_split(corpus, "invalid")


def test_speakers_and_sentences_of_its_dev_and_test_splits_are_never_trained_on(
    corpus: Path, tmp_path: Path
) -> None:
    assert {row.speaker[0] for row in training_rows(corpus, "validated")} == {"a", "b", "c", "g", "h"}
    request = Request("cv", tmp_path / "work", common_voice=corpus, common_voice_split="validated")
    plan, train, held_out = make_plan(request)
    assert sorted(clip.speaker[0] for clip in train) == ["a", "b", "c", "g"]
    assert [clip.text for clip in held_out] == ["पानी बहुत ठंडा था"]
    assert plan.skipped == {Reason.HELD_OUT: 1}
    assert plan.sources.keys() == {"cv-corpus-1.0"}
    save_plan(request, plan, train, held_out)
    assert kept_plan(request) == plan
    with (request.work / "train.tsv").open(encoding="utf-8", newline="") as handle:
        assert all(Path(row["path"]).suffix == ".mp3" for row in csv.DictReader(handle, delimiter="\t"))


def test_a_plan_of_another_version_is_refused(tmp_path: Path) -> None:
    request = Request("mine", tmp_path / "work", [of_speakers(tmp_path)])
    save_plan(request, *make_plan(request))
    (tmp_path / "work" / "plan.json").write_text('{"plan": {"hours": 1}, "request": {}}', encoding="utf-8")
    with pytest.raises(TrainingRefused, match="another version"):
        kept_plan(request)
