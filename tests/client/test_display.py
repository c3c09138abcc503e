"""What a person sees of the progress."""

import io

from rich.console import Console
from shrutlekh.bulk.display import Bar, Lines
from shrutlekh.bulk.pipeline import Outcome, Uploaded, Waiting

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
