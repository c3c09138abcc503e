import io
import itertools

import pytest
from rich.cells import cell_len
from rich.console import Console
from shrutlekh.tables import Column, fitted, shortened

COLUMNS = (Column("id"), Column("name", least=10), Column("size", rank=1, right=True), Column("note", rank=2))
ROWS = [("0123456789abcdef", "a-very-long-file-name.wav", "12 MiB", "[bold]"), ("x", "b", "", "")]


def printed(width: int) -> list[str]:
    console = Console(file=(out := io.StringIO()), width=width)
    console.print(fitted(COLUMNS, ROWS, width, "2 jobs"))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (200, "0123456789abcdef │ a-very-long-file-name.wav │ 12 MiB │ [bold]"),
        (62, "0123456789abcdef │ a-very-long-file-name.wav │ 12 MiB │ [bold]"),
        (50, "0123456789abcdef │ a-very…e.wav │ 12 MiB │ [bold]"),
        (40, "0123456789abcdef │ a-very…ame.wav │ 12 MiB"),
        (30, "0123456789abcdef │ a-ver….wav"),
    ],
)
def test_cells_are_shortened_then_columns_left_out(width: int, row: str) -> None:
    lines = printed(width)
    assert all(cell_len(line) <= width for line in lines)
    assert lines[2].split() == row.split() or len(lines[2]) <= width
    assert lines[2].startswith("0123456789abcdef │ a-ver")
    assert ("[bold]" in lines[2], "12 MiB" in lines[2]) == ("[bold]" in row, "12 MiB" in row)
    assert lines[-1] == "2 jobs"


@pytest.mark.parametrize(
    "text", ["interview-with-nobody.wav", "साक्षात्कार की रिकॉर्डिंग.wav", "面接の録音.wav", ""]
)
def test_shortened_texts_fit_and_keep_both_ends(text: str) -> None:
    for width in range(1, 30):
        short = shortened(text, width)
        assert cell_len(short) <= width
        if short != text:
            head, _, tail = short.partition("…")
            assert text.startswith(head)
            assert text.endswith(tail)


def test_no_table_is_too_wide_while_a_column_can_go() -> None:
    for width, rows in itertools.product(range(30, 70), (ROWS, [])):
        assert fitted(COLUMNS, rows, width).columns[0].header == "id"
