"""What a file tells without being decoded: its parts, its stated length, whether it was cut off."""

from speech.audio.structure.endings import has_damaged_last_page, is_cut_off
from speech.audio.structure.file_part import FilePart
from speech.audio.structure.links import behind_tags, find_links, without_avi_index
from speech.audio.structure.mp3_frames import HEADER_BYTES, INDEX_REACH, frame_bytes, indexed_seconds
from speech.audio.structure.sample_data import MAGICS, PatchedFile, SampleData, find_samples

__all__ = [
    "HEADER_BYTES",
    "INDEX_REACH",
    "MAGICS",
    "FilePart",
    "PatchedFile",
    "SampleData",
    "behind_tags",
    "find_links",
    "find_samples",
    "frame_bytes",
    "has_damaged_last_page",
    "indexed_seconds",
    "is_cut_off",
    "without_avi_index",
]
