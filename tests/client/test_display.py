"""What a person sees of the progress."""

import io

from rich.console import Console
from shrutlekh.bulk.display import Bar, Lines
from shrutlekh.bulk.events import Outcome, Renamed, Resumed, Stalled, Uploaded, Waiting

WAITING = Waiting("a.wav", "As many jobs wait as this service takes [3].", 15.0)


def test_the_bar_says_why_nothing_moves_and_stops_saying_so() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    with Bar(console, 2) as bar:
        bar.show(WAITING)
        assert "waiting 15 s: As many jobs wait as this service takes" in bar.description
        bar.show(Uploaded("a.wav"))
        assert "waiting" not in bar.description
        assert "1 uploaded" in bar.description


def test_lines_say_it_once_until_something_moves() -> None:
    console = Console(file=(said := io.StringIO()), width=200)
    with Lines(console, 2) as lines:
        for event in (WAITING, WAITING, Uploaded("a.wav"), WAITING, Outcome("a.wav", "succeeded")):
            lines.show(event)
    waiting = f"Waiting: {WAITING.reason}"
    assert said.getvalue().splitlines() == [waiting, waiting, "1/2 succeeded a.wav"]


def test_the_bar_says_that_nothing_works_until_it_does() -> None:
    console = Console(file=(said := io.StringIO()), force_terminal=True, width=200)
    with Bar(console, 2) as bar:
        bar.show(Stalled("There is no worker [1]."))
        bar.show(Uploaded("a.wav"))
        assert "waiting for workers" in bar.description
        bar.show(Renamed("same.wav", "out/same", "out/same.wav"))
        bar.show(Outcome("c.wav", "failed", error=("x", "Why.")))
        bar.show(Resumed())
        assert bar.description == "1 uploaded, 0 finished, [red]1 failed[/]"
    assert said.getvalue().count("Waiting: There is no worker [1].") == 1
    assert "Workers take jobs again." in said.getvalue()
    assert "Renamed the outputs of same.wav from same.* to same.wav.*" in said.getvalue()
    assert "failed c.wav" in said.getvalue()


def test_lines_say_that_nothing_works_and_that_it_does_again() -> None:
    console = Console(file=(said := io.StringIO()), width=200)
    with Lines(console, 1) as lines:
        for event in (Stalled("There is no worker."), Resumed(), Outcome("a.wav", "fetched")):
            lines.show(event)
    assert said.getvalue().splitlines() == [
        "Waiting: There is no worker.",
        "Workers take jobs again.",
        "1/1 fetched a.wav",
    ]


def test_lines_say_one_reason_once_whoever_notices_it() -> None:
    console = Console(file=(said := io.StringIO()), width=200)
    with Lines(console, 1) as lines:
        gone = Waiting("a.wav", "Nobody answers.", 1.0)
        for event in (
            gone,
            Stalled("Nobody answers."),
            Uploaded("b.wav"),
            gone,
            Resumed(),
            Uploaded("a.wav"),
        ):
            lines.show(event)
    assert said.getvalue().splitlines() == ["Waiting: Nobody answers.", "Workers take jobs again."]
