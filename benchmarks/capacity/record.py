"""What was measured, as JSON, and tables in marked blocks of documents."""

import json
import platform
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from pydantic import TypeAdapter

from benchmarks.capacity.database_load import Ceiling
from benchmarks.capacity.measurement import ApiCosts, Extent, Round

FOREIGN_AT_MOST = 0.1
"""Part of the cores that other programs may use during a run that is recorded."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that was measured."""

    machine: str
    extent: Extent
    rounds: list[Round]
    api: ApiCosts
    database: list[Ceiling]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        text = json.dumps(_rounded(asdict(self)), indent=1, ensure_ascii=False)
        # A list of figures takes a line.
        flat = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)
        path.write_text(flat + "\n", encoding="utf-8")


def read(path: Path) -> Record:
    """Read what was saved."""
    return TypeAdapter(Record).validate_json(path.read_text(encoding="utf-8"))


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.5g}") if abs(value) < 1e6 else round(value, 3)
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
    return value


def machine() -> str:
    """Describe the machine."""
    found = re.search(r"model name\s*: (.+)", _cpuinfo())
    name = found[1] if found else platform.processor()
    flags = set(_cpuinfo().split())
    vector = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{psutil.cpu_count()} cores of {name.strip()}, {vector}"


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def write(path: Path, tables: dict[str, str]) -> None:
    """Replace what is between ``<!-- name -->`` and ``<!-- end of name -->`` in a document.

    Raises:
        SystemExit: the document has no such block.
    """
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        pattern = rf"(<!-- {re.escape(name)} -->\n).*?(\n<!-- end of {re.escape(name)} -->)"
        text, found = re.subn(pattern, lambda block: f"{block[1]}{table}{block[2]}", text, flags=re.DOTALL)  # noqa: B023
        if found != 1:
            raise SystemExit(f"{path} has no block <!-- {name} -->.")
    path.write_text(text, encoding="utf-8")


def blocks(path: Path) -> dict[str, str]:
    """Return the marked blocks of a document, by name."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"<!-- (?!end of )([\w ]+) -->\n(.*?)\n<!-- end of \1 -->", text, re.DOTALL)
    return dict(found)
