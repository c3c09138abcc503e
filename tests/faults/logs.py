"""What the service's processes logged, counted by kind: outages explain some of it, and not the rest."""

import json
import re
from collections import Counter
from pathlib import Path

# The last lines of tracebacks that a dead, frozen or flushed Redis, a database that is away, a full disk and
# a killed process account for.
EXPLAINED = re.compile(
    r"^(redis\.exceptions\.(Connection|Timeout|BusyLoading)Error"
    r"|kombu\.exceptions\.OperationalError"
    r"|shared\.errors\.(DatabaseUnavailable|StorageFull|StorageUnavailable)"
    r"|billiard\.(exceptions\.)?(WorkerLostError|einfo.*)"
    r"|ConnectionResetError|BrokenPipeError|ConnectionRefusedError|FileNotFoundError: .*redis\.sock)"
)
TRACEBACK = "Traceback (most recent call last):"
LAST_LINE = re.compile(r"^(\w+\.)*\w*(Error|Exception|Unavailable|Full|Exit|Timeout|Lost\w*)\b.*", re.M)
UNEXPECTED = "unexpected_error"
BAD_LEVELS = frozenset({"warning", "error", "critical"})


def count(folder: Path) -> tuple[Counter[str], Counter[str]]:
    """Entries of warnings and worse by kind: all of them, and those that no outage explains."""
    kinds: Counter[str] = Counter()
    unexplained: Counter[str] = Counter()
    for path in sorted(folder.glob("*.log")):
        part = path.stem.split("-")[0]
        if part in ("redis", "postgres"):
            continue
        for kind, explained in _entries(path.read_text(encoding="utf-8", errors="replace")):
            kinds[f"{part}: {kind}"] += 1
            if not explained:
                unexplained[f"{part}: {kind}"] += 1
    return kinds, unexplained


def lost_processes(kinds: Counter[str]) -> int:
    """How often a worker lost the process that it works in."""
    return sum(count for kind, count in kinds.items() if "WorkerLostError" in kind)


def _entries(text: str) -> list[tuple[str, bool]]:
    found = []
    plain: list[str] = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            event = str(entry["event"])
        except (ValueError, KeyError, TypeError):
            plain.append(line)
            continue
        trace = str(entry.get("exception", ""))
        if trace or entry.get("level") in BAD_LEVELS:
            found.append(_kind(event, trace))
    return found + [_kind("traceback", trace) for trace in "\n".join(plain).split(TRACEBACK)[1:]]


def _kind(event: str, trace: str) -> tuple[str, bool]:
    name = _shape(event)
    if not trace:
        return name, event != UNEXPECTED
    lines = [match.group() for match in LAST_LINE.finditer(trace)]
    last = lines[-1] if lines else trace.strip().splitlines()[-1]
    return f"{name} / {_shape(last)}", event != UNEXPECTED and bool(EXPLAINED.match(last))


def _shape(text: str) -> str:
    """Without what differs from one entry to the next."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|\d+(\.\d+)?", "#", first)[:100]
