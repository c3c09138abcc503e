"""Transcribe many recordings: find them, run them through a service, write their transcripts and pictures."""

from shrutlekh.bulk.pipeline import Event, Options, Outcome, Submission, Uploaded, Waiting
from shrutlekh.bulk.recordings import PathNotFound, Recording, plan

__all__ = [
    "Event",
    "Options",
    "Outcome",
    "PathNotFound",
    "Recording",
    "Submission",
    "Uploaded",
    "Waiting",
    "plan",
]
