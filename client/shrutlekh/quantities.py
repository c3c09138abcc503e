"""Counts, sizes and time spans as text for people."""

_SPANS = (("d", "days", 86400), ("h", "hours", 3600), ("min", "minutes", 60))
_SIZES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def span(seconds: float) -> str:
    """A time span for a table, in the largest unit that fits.

    >>> span(7199)
    '1 h'
    """
    for unit, _, length in _SPANS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def span_in_words(seconds: float) -> str:
    """A time span for a sentence, in the largest unit of which there are at least two.

    >>> span_in_words(7199)
    '120 minutes'
    """
    for _, unit, length in _SPANS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def size(count: float) -> str:
    """A number of bytes in the largest unit that fits.

    >>> size(1536 * 2**20)
    '1.5 GiB'
    """
    for unit, length in _SIZES:
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:.0f} bytes"


def counted(count: int, thing: str, several: str | None = None) -> str:
    """A number with its noun.

    >>> counted(2000, "job")
    '2,000 jobs'
    """
    return f"{count:,} {thing if count == 1 else several or thing + 's'}"
