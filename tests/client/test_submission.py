"""Many recordings: bounded, resumable, atomic, and one failing never stops the rest."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from shrutlekh import ShrutlekhClient
from shrutlekh.bulk import Options, Outcome, Submission, Uploaded, Waiting, plan
from shrutlekh.errors import ApiError, Unreachable
from shrutlekh.retries import PATIENT
from shrutlekh_contract.options import NO_OPTIONS, RecognitionOptions, SubmissionOptions, declared

from tests.client.fake_service import PNG, FakeService


def recordings_in(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        (folder / f"{index:03}.wav").write_bytes(f"recording {index}".encode())
    return folder


def submit(service: FakeService, folder: Path, out: Path | None = None, **options: Any) -> dict[str, Outcome]:
    with ShrutlekhClient(service.url) as client:
        events = list(Submission(client, plan([folder], out), options_of(**options)).run())
    return {Path(event.source).name: event for event in events if isinstance(event, Outcome)}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def options_of(recognition: RecognitionOptions = NO_OPTIONS, **settings: Any) -> Options:
    """A run's settings; options of the recordings may be named among them."""
    options = {name: settings.pop(name) for name in declared(SubmissionOptions) if name in settings}
    return Options(chosen=SubmissionOptions(**recognition.chosen(), **options), **settings)


def test_writes_text_json_and_picture(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    outcome = submit(service, folder)["000.wav"]
    assert (outcome.status, outcome.seconds, outcome.processing_seconds) == ("succeeded", 2.0, 0.75)
    assert outcome.outputs == {kind: str(folder / f"000.{kind}") for kind in ("png", "txt", "json")}
    assert (folder / "000.txt").read_text(encoding="utf-8") == "नमस्ते 000.wav\n"
    assert (folder / "000.png").read_bytes() == PNG
    text = (folder / "000.json").read_text(encoding="utf-8")
    assert "नमस्ते" in text
    document = json.loads(text)
    assert document["job"] == outcome.job_id
    assert document["file"] == {"name": "000.wav", "bytes": 11, "sha256": digest(folder / "000.wav")}
    assert document["segments"][0]["end"] == 1.0
    assert (folder / "000.txt").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_without_a_picture(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    submit(service, folder, waveform=False)
    assert sorted(path.name for path in folder.iterdir()) == ["000.json", "000.txt", "000.wav"]
    assert service.forms == [{"transcript": "true", "waveform": "false"}]


def test_a_second_run_does_only_what_is_missing(service: FakeService, tmp_path: Path) -> None:
    folder, out = recordings_in(tmp_path / "in", 3), tmp_path / "out"
    assert {outcome.status for outcome in submit(service, folder, out).values()} == {"succeeded"}
    (folder / "003.wav").write_bytes(b"new")
    service.uploads.clear()
    again = submit(service, folder, out)
    assert [again[name].status for name in sorted(again)] == ["skipped"] * 3 + ["succeeded"]
    assert again["000.wav"].text == "नमस्ते 000.wav"
    assert again["000.wav"].outputs == {kind: str(out / f"000.{kind}") for kind in ("png", "txt", "json")}
    assert service.uploads == ["003.wav"]


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        pytest.param(lambda d: (d / "000.wav").write_bytes(b"other"), {}, id="recording newer"),
        pytest.param(
            lambda d: ((d / "000.wav").write_bytes(b"other"), age(d / "000.wav", 99)), {}, id="bytes differ"
        ),
        pytest.param(lambda d: None, {"force": True}, id="forced"),
    ],
)
def test_what_makes_a_recording_be_done_again(
    service: FakeService, tmp_path: Path, change: Any, options: dict[str, Any]
) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    age(folder / "000.wav", 100)
    submit(service, folder)
    assert submit(service, folder)["000.wav"].status == "skipped"
    time.sleep(0.01)
    change(folder)
    assert submit(service, folder, **options)["000.wav"].status == "succeeded"
    assert submit(service, folder)["000.wav"].status == "skipped"


@pytest.mark.parametrize("content", ['{"file"', "[]"])
def test_a_damaged_json_is_fetched(service: FakeService, tmp_path: Path, content: str) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    first = submit(service, folder)["000.wav"]
    (folder / "000.json").write_text(content)
    again = submit(service, folder)["000.wav"]
    assert (again.status, again.job_id) == ("fetched", first.job_id)
    assert submit(service, folder)["000.wav"].status == "skipped"


@pytest.mark.parametrize("gone", ["txt", "png"])
def test_a_file_that_is_gone_is_fetched(service: FakeService, tmp_path: Path, gone: str) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    first = submit(service, folder)["000.wav"]
    (folder / f"000.{gone}").unlink()
    again = submit(service, folder)["000.wav"]
    assert (again.status, again.job_id, again.text) == ("fetched", first.job_id, "नमस्ते 000.wav")
    assert (folder / f"000.{gone}").is_file()
    assert len(service.uploads) == 1
    assert submit(service, folder)["000.wav"].status == "skipped"


def test_formats_beside_text_and_json(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    outcome = submit(service, folder, formats=frozenset({"srt", "vtt", "txt", "json"}), numerals="latin")[
        "000.wav"
    ]
    assert set(outcome.outputs) == {"png", "txt", "srt", "vtt", "json"}
    assert (folder / "000.srt").read_text(encoding="utf-8") == "srt latin नमस्ते 000.wav\n"
    assert service.asked == [("json", "latin"), ("srt", "latin"), ("vtt", "latin")]
    document = json.loads((folder / "000.json").read_text(encoding="utf-8"))
    assert (document["numerals"], document["formats"]) == ("latin", ["srt", "vtt"])


def test_a_text_of_several_segments_is_the_services(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    service.segments = 2
    submit(service, folder)
    assert (folder / "000.txt").read_text(encoding="utf-8") == "txt spoken नमस्ते 000.wav\n"
    service.segments = 0
    submit(service, folder, force=True)
    assert (folder / "000.txt").read_bytes() == b""


def test_a_format_wanted_later_is_fetched_and_nothing_transcribed_again(
    service: FakeService, tmp_path: Path
) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    submit(service, folder, numerals="devanagari")
    again = submit(service, folder, formats=frozenset({"srt"}))
    assert {outcome.status for outcome in again.values()} == {"fetched"}
    assert len(service.uploads) == 2
    assert (folder / "001.srt").read_text(encoding="utf-8") == "srt devanagari नमस्ते 001.wav\n"
    assert submit(service, folder, formats=frozenset({"srt"}))["001.wav"].status == "skipped"
    (folder / "001.srt").unlink()
    service.jobs.clear()  # nobody keeps them for ever
    last = submit(service, folder, formats=frozenset({"srt"}))
    assert (last["000.wav"].status, last["001.wav"].status) == ("skipped", "succeeded")


def test_other_numerals_are_fetched_for_all_that_lies_there(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    submit(service, folder, formats=frozenset({"srt"}))
    assert submit(service, folder, numerals="spoken")["000.wav"].status == "skipped"
    assert submit(service, folder, numerals="latin")["000.wav"].status == "fetched"
    assert (folder / "000.srt").read_text(encoding="utf-8") == "srt latin नमस्ते 000.wav\n"
    assert submit(service, folder)["000.wav"].status == "skipped"


def test_a_recording_that_has_changed_leaves_no_old_subtitles(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    age(folder / "000.wav", 100)
    submit(service, folder, formats=frozenset({"srt"}))
    (folder / "000.srt").write_text("old")
    (folder / "000.wav").write_bytes(b"other")
    assert submit(service, folder)["000.wav"].status == "succeeded"
    assert (folder / "000.srt").read_text(encoding="utf-8") == "srt spoken नमस्ते 000.wav\n"


@pytest.mark.parametrize(
    "recognition",
    [
        RecognitionOptions(decoder="greedy"),
        RecognitionOptions(channels="each"),
        RecognitionOptions(hotwords=("मसूरी",)),
        RecognitionOptions(hotwords=("मसूरी",), hotword_weight=2.0),
    ],
)
def test_other_recognition_options_does_it_again(
    service: FakeService, tmp_path: Path, recognition: RecognitionOptions
) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    submit(service, folder)
    assert submit(service, folder, recognition=recognition)["000.wav"].status == "succeeded"
    assert submit(service, folder, recognition=recognition)["000.wav"].status == "skipped"
    first = next(iter(service.jobs))
    again = submit(service, folder)["000.wav"]
    assert (again.status, again.job_id) == ("fetched", first), "what is left out counts too"
    assert (
        submit(service, folder, recognition=RecognitionOptions(decoder="beam"))["000.wav"].status
        == "succeeded"
    )


def test_another_model_does_it_again(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    submit(service, folder, model="hi-ctc-base")
    assert submit(service, folder, model="hi-ctc-base")["000.wav"].status == "skipped"
    with pytest.raises(ApiError, match="model_not_found"):
        submit(service, folder, model="hi-other")


def test_failures_do_not_stop_the_rest(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 6)
    error = {"code": "audio_unreadable", "message": "This is no audio."}
    service.outcome = {
        "001.wav": {"status": "failed", "error": error},
        "002.wav": {"status": "cancelled"},
    }
    (folder / "003.json").mkdir()  # where the output should go
    (folder / "004.wav").chmod(0)
    outcomes = submit(service, folder)
    assert outcomes["001.wav"].error == ("audio_unreadable", "This is no audio.")
    assert (outcomes["002.wav"].status, outcomes["002.wav"].error) == (
        "cancelled",
        ("cancelled", "The job was cancelled."),
    )
    assert outcomes["003.wav"].error is not None
    assert outcomes["003.wav"].error[0] == "output_unwritable"
    if os.geteuid() != 0:  # root reads everything
        assert outcomes["004.wav"].error is not None
        assert outcomes["004.wav"].error[0] == "file_unreadable"
    assert outcomes["000.wav"].status == outcomes["005.wav"].status == "succeeded"
    assert not list(folder.glob(".shrutlekh-*"))
    assert not (folder / "001.txt").exists()


def test_a_recording_that_vanishes_fails_alone(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    recordings = plan([folder])
    (folder / "000.wav").unlink()
    with ShrutlekhClient(service.url) as client:
        events = list(Submission(client, recordings, Options()).run())
    outcomes = sorted(event.status for event in events if isinstance(event, Outcome))
    assert outcomes == ["failed", "succeeded"]


def test_uploads_and_jobs_in_flight_are_bounded(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 60)
    service.seconds, service.upload_seconds = 0.03, 0.01
    outcomes = submit(service, folder, uploads=3, in_flight=8)
    assert len(outcomes) == len(service.uploads) == 60
    assert 1 < service.most_uploading <= 3
    assert 1 < service.most_open <= 8


def test_recordings_are_taken_as_they_are_needed(service: FakeService, tmp_path: Path) -> None:
    """A hundred thousand recordings are not all begun because somebody looks at the first result."""
    folder = recordings_in(tmp_path / "in", 50)
    taken = 0
    items = plan([folder])

    def counted() -> Any:
        nonlocal taken
        for item in items:
            taken += 1
            yield item

    with ShrutlekhClient(service.url) as client:
        events = Submission(client, counted(), Options(in_flight=2)).run()
        assert isinstance(next(events), Uploaded)
        events.close()
        time.sleep(0.2)
        assert taken < 10
        before = len(list(folder.glob("*.json")))
        time.sleep(0.1)
        assert len(list(folder.glob("*.json"))) == before


def test_a_full_service_is_waited_for_and_said_so(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 3)
    service.refusals = [(429, 0)] * 20 + [(507, 0), (503, 0)]
    with ShrutlekhClient(service.url, retries=PATIENT, sleep=lambda _: None) as client:
        events = list(Submission(client, plan([folder]), Options(uploads=1)).run())
    assert [event.status for event in events if isinstance(event, Outcome)] == ["succeeded"] * 3
    waits = [event for event in events if isinstance(event, Waiting)]
    assert len(waits) == 22
    assert {event.reason for event in waits} == {"There is no room."}
    assert len(service.uploads) == 3


def test_who_submits_and_how_urgent_it_is(service: FakeService, tmp_path: Path) -> None:
    submit(service, recordings_in(tmp_path / "in", 1), priority="low", client="archive")
    (form,) = service.forms
    assert (form["priority"], form["client"]) == ("low", "archive")


def test_earlier_failures_are_submitted_anew(service: FakeService, tmp_path: Path) -> None:
    """As new jobs with whole recordings: the old ones may have lost theirs."""
    folder = recordings_in(tmp_path / "in", 3)
    service.outcome = {
        "000.wav": {"status": "failed", "error": {"code": "attempts_exhausted", "message": "Why."}},
        "001.wav": {"status": "cancelled"},
    }
    first = submit(service, folder)
    assert [first[name].status for name in sorted(first)] == ["failed", "cancelled", "succeeded"]
    service.outcome = {}
    again = submit(service, folder)
    assert [again[name].status for name in sorted(again)] == ["succeeded", "succeeded", "skipped"]
    assert again["000.wav"].job_id != first["000.wav"].job_id
    assert len(service.jobs) == 5


def test_without_waiting(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 3)
    service.seconds = 60
    outcomes = submit(service, folder, wait=False)
    assert {outcome.status for outcome in outcomes.values()} == {"queued"}
    assert {outcome.job_id for outcome in outcomes.values()} == set(service.jobs)
    assert not list(folder.glob("*.json"))


def test_a_service_that_goes_away_ends_the_run(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 3)
    with pytest.raises(Unreachable), ShrutlekhClient("http://127.0.0.1:9", sleep=lambda _: None) as client:
        list(Submission(client, plan([folder]), Options()).run())


def test_an_interrupted_run_leaves_whole_files_and_is_taken_up(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 40)
    service.seconds = 0.01
    with ShrutlekhClient(service.url) as client:
        events = Submission(client, plan([folder]), Options(in_flight=4)).run()
        finished = 0
        for event in events:
            finished += isinstance(event, Outcome)
            if finished == 10:
                break
        events.close()
    done = sorted(path.stem for path in folder.glob("*.json"))
    assert 10 <= len(done) < 40
    for stem in done:
        json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        assert (folder / f"{stem}.txt").read_text(encoding="utf-8") == f"नमस्ते {stem}.wav\n"
    assert not list(folder.glob(".shrutlekh-*"))
    again = submit(service, folder)
    assert sorted(name.removesuffix(".wav") for name, o in again.items() if o.status == "skipped") == done
    assert len(list(folder.glob("*.txt"))) == 40


def test_a_bug_in_a_thread_reaches_the_caller(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("shrutlekh.bulk.processing.write_outputs", broken)
    with pytest.raises(ZeroDivisionError):
        submit(service, recordings_in(tmp_path / "in", 2))
