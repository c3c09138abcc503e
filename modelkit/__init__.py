"""Make and check model folders. This package exports what others use most."""

from modelkit.description import read_description, record_evaluation, write_description
from modelkit.folder_swap import copy_folder
from modelkit.measuring.manifest import Entry, read_manifest
from modelkit.measuring.scoring import ErrorCounts, character_errors, corpus_errors, edit_counts, word_errors

__all__ = [
    "Entry",
    "ErrorCounts",
    "character_errors",
    "copy_folder",
    "corpus_errors",
    "edit_counts",
    "read_description",
    "read_manifest",
    "record_evaluation",
    "word_errors",
    "write_description",
]
