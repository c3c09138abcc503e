"""The formats of a transcript."""

from enum import StrEnum


class Format(StrEnum):
    """Transcript formats, named by file extension."""

    JSON = "json"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    TSV = "tsv"


FORMATS = tuple(one.value for one in Format)
TEXT_FORMATS = tuple(one for one in FORMATS if one != Format.JSON)
