"""Transcribe many recordings: find them, run them through a service, write their transcripts and pictures."""

from shrutlekh.bulk.events import Event, Outcome, Renamed, Resumed, Stalled, Uploaded, Waiting
from shrutlekh.bulk.pipeline import Submission
from shrutlekh.bulk.recordings import PathNotFound, Recording, plan
from shrutlekh.bulk.run_options import Options

__all__ = [
    "Event",
    "Options",
    "Outcome",
    "PathNotFound",
    "Recording",
    "Renamed",
    "Resumed",
    "Stalled",
    "Submission",
    "Uploaded",
    "Waiting",
    "plan",
]
