"""From the passes to figures: medians and spread, error rates, identical texts; as tables and as JSON."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.peers.child import Report
from benchmarks.peers.lineup import Entry
from benchmarks.peers.passes import Pass
from benchmarks.peers.recording_sets import RecordingSet
from modelkit import corpus_errors, word_errors
from speech import normalise_for_scoring

Key = tuple[str, int, str]
"""Set, number of cores, program."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure of all rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        return {
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "values": list(self.values),
        }


@dataclass(frozen=True, slots=True)
class Identity:
    """How many texts are those of the graph alone on the same recordings, after `normalise_for_scoring`."""

    same: int
    same_without_spaces: int
    texts: int


class Row:
    """A program on one set with some cores: what the rounds found."""

    def __init__(self, entry: Entry, recordings: RecordingSet, cores: int, reports: Sequence[Report]) -> None:
        self.entry, self.recordings, self.cores, self.reports = entry, recordings, cores, reports
        pairs = zip(recordings.texts, reports[0].texts, strict=True)
        self.wer = corpus_errors(word_errors(wanted, found) for wanted, found in pairs).rate
        self.repeatable = all(report.texts == reports[0].texts for report in reports)

    def figure(self, of: Callable[[Report], float]) -> Spread:
        return Spread(tuple(of(report) for report in self.reports))

    @property
    def cpu(self) -> Spread:
        """CPU seconds per second of audio."""
        return self.figure(lambda report: report.transcribed.cpu / self.recordings.seconds)

    @property
    def wall(self) -> Spread:
        """Wall-clock seconds per second of audio."""
        return self.figure(lambda report: report.transcribed.wall / self.recordings.seconds)

    @property
    def start(self) -> Spread:
        """Wall-clock seconds of import, load and warm-up."""
        return self.figure(lambda report: report.imported.wall + report.loaded.wall)

    @property
    def peak(self) -> Spread:
        """Bytes."""
        return self.figure(lambda report: report.peak_bytes)

    def times(self, other: "Row", of: Callable[["Row"], Spread]) -> Spread:
        """Return this row's figure divided by another's, round by round, as far as both have rounds."""
        pairs = zip(of(self).values, of(other).values, strict=False)
        return Spread(tuple(mine / its for mine, its in pairs))

    def identity(self, other: "Row") -> Identity:
        """Compare the texts with those of another program."""
        pairs = [
            (normalise_for_scoring(mine), normalise_for_scoring(its))
            for mine, its in zip(self.reports[0].texts, other.reports[0].texts, strict=True)
        ]
        bare = sum(mine.replace(" ", "") == its.replace(" ", "") for mine, its in pairs)
        return Identity(sum(mine == its for mine, its in pairs), bare, len(pairs))


class Comparison:
    """All rows of a run."""

    def __init__(self, passes: Iterable[Pass]) -> None:
        groups: dict[Key, list[Pass]] = {}
        for found in passes:
            groups.setdefault((found.recordings.name, found.cores, found.entry.name), []).append(found)
        self.rows = {
            key: Row(group[0].entry, group[0].recordings, group[0].cores, [found.report for found in group])
            for key, group in groups.items()
        }

    def baseline(self, row: Row) -> Row | None:
        """Return our program that the row is compared with; None if it was not measured."""
        return self.rows.get((row.recordings.name, row.cores, row.entry.baseline))

    def identity(self, row: Row) -> Identity | None:
        """Compare a greedy program's texts with those of the graph alone. None if it has other texts."""
        other = self.rows.get((row.recordings.name, row.cores, row.entry.reference))
        return None if other is None else row.identity(other)

    def as_json(self) -> list[dict[str, Any]]:
        return [self._as_json(row) for row in self.rows.values()]

    def _as_json(self, row: Row) -> dict[str, Any]:
        identity, baseline = self.identity(row), self.baseline(row)
        return {
            "set": row.recordings.name,
            "cores": row.cores,
            "program": row.entry.name,
            "precision": row.entry.precision,
            "decoder": row.entry.decoder,
            "cpu_seconds_per_audio_second": row.cpu.as_json(),
            "wall_seconds_per_audio_second": row.wall.as_json(),
            "import_seconds": row.figure(lambda report: report.imported.wall).as_json(),
            "import_cpu_seconds": row.figure(lambda report: report.imported.cpu).as_json(),
            "load_seconds": row.figure(lambda report: report.loaded.wall).as_json(),
            "load_cpu_seconds": row.figure(lambda report: report.loaded.cpu).as_json(),
            "peak_bytes": row.peak.as_json(),
            "wer": row.wer,
            "texts_same_in_all_rounds": row.repeatable,
            "identical_texts": None
            if identity is None
            else {
                "to": row.entry.reference,
                "same": identity.same,
                "same_without_spaces": identity.same_without_spaces,
                "of": identity.texts,
            },
            "ratio_to": row.entry.baseline,
            "cpu_ratio": None if baseline is None else row.times(baseline, lambda of: of.cpu).as_json(),
            "wall_ratio": None if baseline is None else row.times(baseline, lambda of: of.wall).as_json(),
            "versions": row.reports[0].versions,
            "texts": row.reports[0].texts,
        }

    def tables(self) -> list[Table]:
        """Make a table for each set and number of cores."""
        titles = dict.fromkeys((row.recordings.name, row.cores) for row in self.rows.values())
        return [self._table(*title) for title in titles]

    def _table(self, name: str, cores: int) -> Table:
        rows = [row for row in self.rows.values() if (row.recordings.name, row.cores) == (name, cores)]
        of = rows[0].recordings
        title = f"{of.title}: {len(of.paths)}, {of.seconds:.0f} s; {cores} core{'s' * (cores > 1)}"
        table = Table("program", title=title)
        for column in (
            "CPU s/audio s",
            "spread",
            "of ours",
            "wall s/audio s",
            "start s",
            "MB",
            "WER",
            "texts",
        ):
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(row.entry.name, *self._cells(row))
        return table

    def _cells(self, row: Row) -> list[str]:
        identity, baseline = self.identity(row), self.baseline(row)
        cpu = row.cpu
        same = ""
        if identity is not None:
            same = f"{identity.same} of {identity.texts}"
            if identity.same_without_spaces != identity.same:
                same += f", {identity.same_without_spaces} without spaces"
        return [
            f"{cpu.median:.4f}",
            f"{min(cpu.values):.4f} to {max(cpu.values):.4f}",
            "" if baseline is None else f"{row.times(baseline, lambda of: of.cpu).median:.2f}",
            f"{row.wall.median:.4f}",
            f"{row.start.median:.1f}",
            f"{row.peak.median / 1e6:.0f}",
            f"{100 * row.wer:.1f} %",
            same,
        ]
