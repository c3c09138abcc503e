"""The bar of ``shrutlekh transcribe``."""

import io

import pytest
from rich.console import Console

from ops import progress_line as meter
from ops.progress_line import Meter


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PATIENCE_SECONDS", 0.0)


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=(seen := io.StringIO()), force_terminal=True, width=80)
    with Meter("a[1].wav", console) as bar:
        bar.show(0.25)
        bar.say("नमस्ते")
    assert "a[1].wav" in seen.getvalue()
    assert "25%" in seen.getvalue()
    assert capsys.readouterr().out == "नमस्ते\n"


def test_no_bar_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=(seen := io.StringIO()), width=80)
    with Meter("a.wav", console) as bar:
        bar.show(0.25)
        bar.say("नमस्ते")
    assert seen.getvalue() == ""
    assert capsys.readouterr().out == "नमस्ते\n"


def test_no_bar_for_what_is_done_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PATIENCE_SECONDS", 60.0)
    console = Console(file=(seen := io.StringIO()), force_terminal=True, width=80)
    with Meter("a.wav", console) as bar:
        bar.show(0.25)
    assert "a.wav" not in seen.getvalue()


def test_where_both_are_the_terminal_the_text_stands_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", stdout := io.StringIO())
    monkeypatch.setattr(stdout, "isatty", lambda: True, raising=False)
    console = Console(file=(seen := io.StringIO()), force_terminal=True, width=80)
    with Meter("a.wav", console) as bar:
        bar.show(0.25)
        bar.say("[1] नमस्ते")
    assert "[1] नमस्ते\n" in seen.getvalue()
    assert stdout.getvalue() == ""
