"""Tables for the terminal that fit its width and never break or cut what a person may want to copy."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ELLIPSIS = "…"
SEPARATOR = 3  # " │ "
UNBOUNDED = 10**6


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        least: width to which longer cells may be shortened in the middle. None: they are never shortened.
        rank: columns with a higher rank are left out first if the terminal is too narrow. 0: never.
        right: whether cells are aligned right.
    """

    name: str
    least: int | None = None
    rank: int = 0
    right: bool = False


def console() -> Console:
    """Return the console of stdout. Lines into a pipe or file may have any length, unless COLUMNS is set."""
    is_bounded = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return Console() if is_bounded else Console(width=UNBOUNDED)


def fitted(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int, caption: str | None = None
) -> Table:
    """Make a table at most ``width`` wide: by shortening cells, then by leaving out columns.

    It is wider only if what must stay whole is. Cells are plain text, not markup.
    """
    lines = [[column.name for column in columns], *rows]
    cells = [[line[n] for line in lines] for n in range(len(columns))]
    kept = list(range(len(columns)))
    while (widths := _widths([(columns[n], cells[n]) for n in kept], width)) is None:
        dispensable = max(kept, key=lambda n: columns[n].rank)
        if not columns[dispensable].rank:
            widths = [max(map(cell_len, cells[n])) for n in kept]
            break
        kept.remove(dispensable)
    table = Table(box=box.MINIMAL, show_edge=False, pad_edge=False, caption=caption, caption_justify="left")
    for n, at_most in zip(kept, widths, strict=True):
        right = columns[n].right
        table.add_column(
            columns[n].name, justify="right" if right else "left", no_wrap=True, min_width=at_most
        )
    for line in lines[1:]:
        texts = (shortened(line[n], at_most) for n, at_most in zip(kept, widths, strict=True))
        table.add_row(*map(escape, texts))
    return table


def shortened(text: str, width: int) -> str:
    """Shorten a text in the middle, so that the beginning and the end of a file name stay.

    >>> shortened("interview-with-nobody.wav", 15)
    'intervi…ody.wav'
    """
    if cell_len(text) <= width:
        return text
    head, tail = text, text
    while cell_len(head) > (width - 1) - (width - 1) // 2:
        head = head[:-1]
    while cell_len(tail) > (width - 1) // 2:
        tail = tail[1:]
    return head + ELLIPSIS + tail


def print_details(details: Mapping[str, str | None]) -> None:
    """Print names and values, leaving out None. Prose is wrapped at words; ids and URLs are never broken."""
    out = console()
    shown = {name: value for name, value in details.items() if value is not None}
    indent = max(map(len, shown)) + 2
    for name, value in shown.items():
        if all(cell_len(word) <= out.width - indent for word in value.split()):
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(style="bold", min_width=indent - 2)
            grid.add_column()
            grid.add_row(name, escape(value))
            out.print(grid)
        else:  # the terminal wraps it, without a line break that would be copied
            out.print(f"[bold]{name:<{indent}}[/bold]{escape(value)}", soft_wrap=True, highlight=False)


def _widths(columns: Sequence[tuple[Column, Sequence[str]]], width: int) -> list[int] | None:
    """Return the widths of the columns within a total width; None if they do not fit."""
    widths = [max(map(cell_len, texts)) for _, texts in columns]
    excess = sum(widths) + SEPARATOR * (len(widths) - 1) - width
    spare = [
        0 if column.least is None else max(0, widest - max(column.least, cell_len(column.name)))
        for (column, _), widest in zip(columns, widths, strict=True)
    ]
    while excess > 0 and any(spare):
        widest = max((n for n, left in enumerate(spare) if left), key=lambda n: widths[n])
        widths[widest] -= 1
        spare[widest] -= 1
        excess -= 1
    return widths if excess <= 0 else None
