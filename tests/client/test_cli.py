"""The commands: what they print, where, and their exit status."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from shrutlekh.addresses import absolute
from shrutlekh.cli import COMMANDS as CLIENT_COMMANDS
from shrutlekh.deferred import Deferred

from ops.admin.app import COMMANDS as ADMIN_COMMANDS
from ops.cli import COMMANDS as OPS_COMMANDS
from ops.cli import main
from ops.keys.app import COMMANDS as KEY_COMMANDS
from tests.client.fake_service import FakeService

Run = Callable[..., tuple[int, str, str]]
UNKNOWN = "019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def shrutlekh(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line; gives exit status, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shrutlekh", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_version(shrutlekh: Run) -> None:
    code, out, _ = shrutlekh("--version")
    assert (code, out.strip()) == (0, f"shrutlekh {version('shrutlekh')}")


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["submit"], ["status"], ["transcribe"], ["models"], ["delete"], ["retry"]]
)
def test_help(shrutlekh: Run, command: list[str]) -> None:
    code, out, _ = shrutlekh(*command, "--help")
    assert code == 0
    assert "Usage: shrutlekh" in out
    if command and command[0] in {"serve", "submit", "status", "transcribe"}:
        assert "Examples:" in out
        assert f"shrutlekh {command[0]}" in out.split("Examples:")[1]


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("shrutlekh.cli", ["--help"]),
        ("ops.cli", ["--help"]),
        ("ops.cli", ["admin", "--help"]),
        ("ops.cli", ["keys", "--help"]),
    ],
)
def test_help_loads_little(module: str, arguments: list[str]) -> None:
    """What makes `--help` start at once: seconds cannot be tested on a machine that others use."""
    code = (
        f"import sys, {module}\n"
        f"try: {module}.main()\n"
        "except SystemExit: pass\n"
        "print(len(sys.modules), {'httpx', 'numpy', 'onnxruntime', 'sqlalchemy'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    modules, _, heavy = done.stdout.splitlines()[-1].partition(" ")
    assert heavy == "set()"
    assert int(modules) < 700, "modules; what was added?"


@pytest.mark.parametrize(
    "entry", [*CLIENT_COMMANDS, *OPS_COMMANDS, *ADMIN_COMMANDS, *KEY_COMMANDS], ids=lambda entry: entry.target
)
def test_the_list_of_commands_says_what_each_says_itself(entry: Deferred) -> None:
    module, _, name = entry.target.partition(":")
    target = getattr(importlib.import_module(module), name)
    said = target.info.help if isinstance(target, typer.Typer) else target.__doc__.partition("\n")[0]
    assert entry.help == said


def test_the_command_line_imports_no_other_part_of_the_house() -> None:
    code = "import sys, shrutlekh.cli; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "shrutlekh" in loaded
    assert not loaded & {"api", "worker", "speech", "shared", "migrations", "httpx", "numpy", "sqlalchemy"}


def test_submit(shrutlekh: Run, service: FakeService, folder: Path, tmp_path: Path) -> None:
    code, out, err = shrutlekh("submit", folder, "--url", service.url, "--out", tmp_path / "out")
    assert (code, out) == (0, "")
    assert "2/2 succeeded" in err
    assert err.endswith("2 transcribed.\n")
    assert (tmp_path / "out" / "a.txt").exists()
    code, _, err = shrutlekh("submit", folder, "--url", service.url, "--out", tmp_path / "out")
    assert code == 0
    assert err.endswith("2 skipped.\n")


def test_submit_as_json(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    service.outcome = {
        "b.wav": {"status": "failed", "error": {"code": "audio_unreadable", "message": "Why."}}
    }
    code, out, err = shrutlekh("submit", folder, "--url", service.url, "--json")
    assert code == 1
    first, second = sorted(map(json.loads, out.splitlines()), key=lambda record: str(record["path"]))
    assert "नमस्ते" in out
    assert first == {
        "path": str(folder / "a.wav"),
        "status": "succeeded",
        "id": first["id"],
        "text": "नमस्ते a.wav",
        "seconds": 2.0,
        "processing_seconds": 0.75,
        "outputs": {kind: str(folder / f"a.{kind}") for kind in ("png", "txt", "json")},
        "warnings": [],
        "error": None,
    }
    assert (second["status"], second["error"]) == ("failed", {"code": "audio_unreadable", "message": "Why."})
    assert f"{folder}/b.wav: audio_unreadable: Why." in err
    assert "1 failed" in err


def test_warnings_are_told_counted_and_kept(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    spans = [{"start": 1.0, "end": 2.5}]
    warnings = [
        {"code": "audio_gaps", "message": "Parts are missing.", "spans": spans},
        {"code": "a_code_of_tomorrow", "message": "Who knows?"},
    ]
    service.outcome = {"b.wav": {"warnings": warnings}}
    arguments = ["submit", folder, "--url", service.url, "--json"]
    code, out, err = shrutlekh(*arguments)
    assert code == 0
    told = [line for line in err.splitlines() if line.startswith(f"{folder}/b.wav: ")]
    assert told == [
        f"{folder}/b.wav: audio_gaps: Parts are missing.",
        f"{folder}/b.wav: a_code_of_tomorrow: Who knows?",
    ]
    assert err.endswith("2 transcribed, 1 with warnings.\n")
    expected = [warnings[0], {**warnings[1], "spans": []}]
    assert json.loads((folder / "b.json").read_bytes())["warnings"] == expected
    assert json.loads((folder / "a.json").read_bytes())["warnings"] == []
    for status in ("succeeded", "skipped"):
        records = {record["path"]: record for record in map(json.loads, out.splitlines())}
        record = records[str(folder / "b.wav")]
        assert (record["status"], record["warnings"]) == (status, expected)
        _, out, err = shrutlekh(*arguments)
    assert err.endswith("2 skipped.\n"), "told once"


def test_submitting_only_and_fetching_later(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    service.seconds = 0.2
    arguments = ["submit", folder, "--url", service.url]
    assert shrutlekh(*arguments, "--no-wait")[2].endswith("2 submitted.\n")
    assert shrutlekh(*arguments, "--no-wait")[2].endswith("2 submitted by an earlier run.\n")
    assert shrutlekh(*arguments)[2].endswith("2 fetched.\n")
    assert shrutlekh(*arguments)[2].endswith("2 skipped.\n")
    assert len(service.jobs) == 2


def test_each_run_takes_turns_with_the_others(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    for _ in range(2):
        shrutlekh("submit", folder, "--url", service.url, "--force")
    clients = [form["client"] for form in service.forms]
    assert clients[0] == clients[1] != clients[2] == clients[3]
    assert all(name.startswith("submit-") for name in clients)
    assert {form["priority"] for form in service.forms} == {"normal"}
    arguments = ["--client", "समाचार", "--priority", "high"]
    shrutlekh("submit", folder / "a.wav", "--url", service.url, "--force", *arguments)
    assert (service.forms[-1]["client"], service.forms[-1]["priority"]) == ("समाचार", "high")


def test_how_to_listen_and_what_to_write(
    shrutlekh: Run, service: FakeService, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("\ufeffदेहरादून\nनई  दिल्ली, मसूरी\n\n", encoding="utf-8")
    listening = ["--decoder", "beam", "--channels", "each", "--hotword-weight", "2"]
    words = ["--hotword", "मसूरी", "--hotword", "घर", "--hotwords", tmp_path / "names.txt"]
    writing = ["--format", "srt, VTT", "--format", "tsv", "--numerals", "devanagari"]
    arguments = ["submit", folder / "a.wav", "--url", service.url, *listening, *words, *writing]
    assert shrutlekh(*arguments)[0] == 0
    (form,) = service.forms
    assert (form["decoder"], form["channels"], form["hotword_weight"]) == ("beam", "each", "2.0")
    assert form["hotwords"] == "मसूरी\nघर\nदेहरादून\nनई दिल्ली"
    assert {form for form, _ in service.asked} == {"json", "srt", "vtt", "tsv"}
    assert {numerals for _, numerals in service.asked} == {"devanagari"}
    (folder / "a.tsv").unlink()
    code, out, err = shrutlekh(*arguments, "--json")
    assert (code, json.loads(out)["status"]) == (0, "fetched")
    assert err.endswith("1 fetched.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "srt,docx"], "'docx' is not a format"),
        (["--hotword-weight", "21"], "--hotword-weight"),
        (["--decoder", "magic"], "'greedy', 'beam'"),
        (["--hotwords", "nowhere.txt"], "The hot-words in nowhere.txt cannot be read: No such file"),
    ],
)
def test_wrong_choices(shrutlekh: Run, folder: Path, arguments: list[str], sentence: str) -> None:
    code, _, err = shrutlekh("submit", folder, "--url", NOBODY, *arguments)
    assert code == 2
    assert sentence in err


def test_a_priority_that_is_none(shrutlekh: Run, folder: Path) -> None:
    code, _, err = shrutlekh("submit", folder, "--priority", "urgent", "--url", NOBODY)
    assert code == 2
    assert "'high', 'normal', 'low'" in err


def test_a_full_queue_is_waited_for_and_said_so(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    service.refusals = [(429, 0)] * 2
    code, _, err = shrutlekh("submit", folder, "--url", service.url, "--jobs", "1")
    assert code == 0
    assert err.count("Waiting: There is no room.") == 1
    assert err.endswith("2 transcribed.\n")


def test_submit_takes_the_url_from_the_environment(
    shrutlekh: Run, service: FakeService, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHRUTLEKH_URL", service.url)
    code, _, err = shrutlekh("submit", folder / "a.wav", "--no-wait", "--no-waveform")
    assert code == 0
    assert err.endswith("1 submitted.\n")
    assert service.uploads == ["a.wav"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(
            ["submit", "."], "No Shrutlekh answers at http://127.0.0.1:9. Start one", id="no service"
        ),
        pytest.param(["submit", "nowhere"], "There is no file or folder nowhere", id="no path"),
        pytest.param(["submit", ".", "--jobs", "0"], "--jobs", id="no jobs"),
        pytest.param(["submit"], "Missing argument", id="no argument"),
        pytest.param(["status"], "No Shrutlekh answers", id="status without service"),
        pytest.param(["models"], "No Shrutlekh answers", id="models without service"),
        pytest.param(["frobnicate"], "No such command", id="no command"),
    ],
)
def test_usage_and_connection_errors_end_with_2(
    shrutlekh: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SHRUTLEKH_URL", NOBODY)
    began = time.monotonic()
    code, out, err = shrutlekh(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
    assert time.monotonic() - began < 5


def test_a_model_that_is_not_there_ends_the_run(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    code, _, err = shrutlekh("submit", folder, "--url", service.url, "--model", "x")
    assert code == 2
    assert "The model asked for is not installed." in err


def test_no_recordings(shrutlekh: Run, tmp_path: Path) -> None:
    code, _, err = shrutlekh("submit", tmp_path, "--url", NOBODY)
    assert code == 1
    assert err.startswith(
        f"No recordings found in {tmp_path}. Folders are searched for files that end in 3gp,"
    )
    assert "mp3" in err
    assert "wav" in err


def test_ctrl_c_tells_how_to_go_on(service: FakeService, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(30):
        (folder / f"{index:02}.wav").write_bytes(b"x%d" % index)
    service.seconds = 0.2
    command = [sys.executable, "-m", "ops", "submit", str(folder), "--in-flight", "2", "--json"]
    environment = {**os.environ, "SHRUTLEKH_URL": service.url}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert first["status"] == "succeeded"
    assert process.returncode == 130
    assert "Interrupted. " in err
    assert "Run the same command again to continue." in err
    assert "Traceback" not in err
    assert not list(folder.glob(".shrutlekh-*"))


@pytest.mark.parametrize("command", ["submit", "transcribe"])
@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("Delhi", "'Delhi' (number 2) contains a character that is not a Devanagari letter."),
        ("क" * 65, f"'{'क' * 24}…' (number 2) is longer than 64 characters."),
        (",".join("क" + "ा" * n for n in range(60)) + "," + ",".join("ख" + "ा" * n for n in range(60)), None),
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_hot_word_that_is_refused_is_named_at_once(
    shrutlekh: Run, folder: Path, command: str, word: str, sentence: str | None, in_file: bool
) -> None:
    if in_file:
        (folder / "words").write_text(f"\ufeff# names\n\nमसूरी # a town\r\n{word}\n", encoding="utf-8")
    given = ["--hotwords", folder / "words"] if in_file else ["--hotword", "मसूरी", "--hotword", word]
    code, out, err = shrutlekh(command, folder / "a.wav", *given)
    if sentence is None:
        last = "ख" + "ा" * 39
        sentence = f"'{last}' (number 101) is one too many: at most 100 words or phrases."
    assert (code, out, err) == (2, "", f"Error: The hot-word {sentence}\n")


def test_comments_and_blank_lines_in_a_file_of_hot_words(
    shrutlekh: Run, service: FakeService, folder: Path
) -> None:
    words = "\ufeff# names\r\n\r\nमसूरी # a town\r\n  \n#\nनई दिल्ली, देहरादून\n"
    (folder / "words.txt").write_bytes(words.encode())
    shrutlekh("submit", folder / "a.wav", "--hotwords", folder / "words.txt", "--url", service.url)
    assert service.forms[0]["hotwords"].split("\n") == ["मसूरी", "नई दिल्ली", "देहरादून"]


def test_status_lists_jobs(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    shrutlekh("submit", folder, "--url", service.url)
    code, out, _ = shrutlekh("status", "--url", service.url)
    assert code == 0
    assert "a.wav" in out
    assert "2 succeeded" in out
    document = json.loads(shrutlekh("status", "--url", service.url, "--json")[1])
    assert document["counts"]["succeeded"] == 2
    assert {job["file"]["name"] for job in document["jobs"]} == {"a.wav", "b.wav"}


@pytest.mark.parametrize("width", [80, 100])
def test_status_fits_the_terminal_and_keeps_ids_whole(
    shrutlekh: Run, service: FakeService, folder: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = folder / f"बैठक {'of many people ' * 6}end.wav"
    (folder / "a.wav").rename(long)
    shrutlekh("submit", folder, "--url", service.url)
    out = shrutlekh("status", "--url", service.url)[1]
    assert all(cell_len(line.rstrip()) <= width for line in out.splitlines())
    for job_id, job in service.jobs.items():
        (row,) = (line for line in out.splitlines() if job_id in line)
        assert job["status"] in row
        name = job["file"]["name"]
        assert name in row if name == "b.wav" else re.search(r"बैठक .*….*\.wav", row)


def test_status_in_a_pipe_cuts_nothing(
    shrutlekh: Run, service: FakeService, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS")
    long = folder / f"{'long ' * 40}.wav"
    (folder / "a.wav").rename(long)
    shrutlekh("submit", folder, "--url", service.url)
    assert long.name in shrutlekh("status", "--url", service.url)[1]


def test_status_of_a_job_breaks_no_link(
    shrutlekh: Run, service: FakeService, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shrutlekh("submit", folder / "a.wav", "--url", service.url)
    ((job_id, job),) = service.jobs.items()
    job["links"]["transcript_srt"] = f"/v1/jobs/{job_id}/transcript?format=srt"
    out = shrutlekh("status", job_id, "--url", service.url)[1]
    assert f"{service.url}/v1/jobs/{job_id}/transcript?format=srt\n" in out
    below = f"{service.url}/somewhere"
    assert absolute(below, f"/somewhere/v1/jobs/{job_id}") == f"{below}/v1/jobs/{job_id}"
    assert absolute(below, f"/v1/jobs/{job_id}") == f"{below}/v1/jobs/{job_id}"


def test_status_of_a_job(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    service.outcome = {
        "b.wav": {"status": "failed", "error": {"code": "audio_unreadable", "message": "Why."}}
    }
    shrutlekh("submit", folder, "--url", service.url)
    ids = {job["file"]["name"]: job_id for job_id, job in service.jobs.items()}
    code, out, _ = shrutlekh("status", ids["a.wav"], "--watch", "--url", service.url)
    assert code == 0
    assert "नमस्ते a.wav" in out
    code, out, _ = shrutlekh("status", ids["b.wav"], "--url", service.url)
    assert code == 1
    assert "audio_unreadable: Why." in out
    record: dict[str, Any] = json.loads(shrutlekh("status", ids["a.wav"], "--json", "--url", service.url)[1])
    assert (record["id"], record["text"]) == (ids["a.wav"], "नमस्ते a.wav")
    code, _, err = shrutlekh("status", UNKNOWN, "--url", service.url)
    assert (code, err) == (2, "Error: There is no such job. (job_not_found, HTTP 404)\n")
    code, _, err = shrutlekh("status", "nosuch", "--url", service.url)
    assert code == 2
    assert err == "Error: 'nosuch' is not a job id. `shrutlekh status` lists jobs with their ids.\n"


def test_retry(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    service.outcome = {"a.wav": {"status": "failed", "error": {"code": "x", "message": "Why."}}}
    shrutlekh("submit", folder / "a.wav", "--url", service.url)
    (job_id,) = service.jobs
    service.outcome = {}
    assert shrutlekh("retry", job_id, "--url", service.url)[:2] == (0, f"{job_id}: queued\n")
    code, out, _ = shrutlekh("status", job_id, "--watch", "--url", service.url)
    assert code == 0
    code, out, err = shrutlekh("retry", job_id, UNKNOWN, "nosuch", "../x", "--url", service.url)
    assert (code, out) == (1, "")
    assert "illegal_transition" in err
    assert f"{UNKNOWN}: There is no such job." in err
    assert "'nosuch' is not a job id." in err
    assert "'../x' is not a job id." in err


def test_models_and_delete(shrutlekh: Run, service: FakeService, folder: Path) -> None:
    code, out, _ = shrutlekh("models", "--url", service.url)
    assert code == 0
    assert "hi-ctc-base (default)" in out
    assert out.splitlines() == [
        "hi-ctc-base (default): hi, Apache-2.0",
        "  dev",
        "    WER 25.0%, CER 10.0% with the language model (beam)",
        "    WER 50.0%, CER 20.0% without a language model (greedy)",
        "  from elsewhere",
        "    WER 30.0%",
    ]
    shrutlekh("submit", folder / "a.wav", "--url", service.url)
    (job_id,) = service.jobs
    assert shrutlekh("delete", job_id, "--url", service.url)[:2] == (0, f"{job_id}: erased\n")
    code, _, err = shrutlekh("delete", job_id, "--url", service.url)
    assert code == 1
    assert "There is no such job." in err
