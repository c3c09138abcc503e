"""docs/formats.md states the figures that the code uses."""

from pathlib import Path

from transcript.formats import MEDIA_TYPES
from transcript.paragraphs import LONG_SECONDS, PAUSE_SECONDS, SHORT_PAUSE_SECONDS
from transcript.subtitle_rules import (
    CLEAR_PAUSE_MS,
    GAP_MS,
    LONGEST_PAUSE_MS,
    MAX_LINES,
    MAX_MS,
    MAX_WIDTH,
    MIN_MS,
    READING_SPEED,
    SHORTEST_MS,
    SHORTEST_REST_MS,
)

FORMATS = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def test_the_figures_of_subtitles() -> None:
    for sentence in (
        f"| lines of a cue | {MAX_LINES} |",
        f"| width of a line | {MAX_WIDTH} characters",
        f"| longest cue | {MAX_MS // 1000} s |",
        f"| between two cues | {GAP_MS} ms at least |",
        f"| reading speed | at most {READING_SPEED} characters a second |",
        f"| shortest cue | {MIN_MS // 1000} s |",
        f"| a rest between cues | none shorter than {SHORTEST_REST_MS // 1000} s",
        f"| a pause within a cue | shorter than {LONGEST_PAUSE_MS // 1000} s |",
        f"cut at pauses ({CLEAR_PAUSE_MS / 1000:g} s or more",
        f"follow each other every {(SHORTEST_MS + GAP_MS) / 1000:.1f} s",
    ):
        assert sentence in FORMATS


def test_the_pauses_of_paragraphs() -> None:
    assert (PAUSE_SECONDS, LONG_SECONDS, SHORT_PAUSE_SECONDS) == (2.0, 60.0, 0.5)
    assert "the next segment comes 2 seconds\nor more after the last" in FORMATS
    assert "once a paragraph is a minute long, half a second will do" in FORMATS


def test_the_formats() -> None:
    for form, media_type in MEDIA_TYPES.items():
        assert any(
            line.startswith(f"| `{form}` |") and line.endswith(f"| `{media_type}` |")
            for line in FORMATS.splitlines()
        )
