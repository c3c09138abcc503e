"""What decoders are given for recordings, kept so that many ways of decoding can be tried on it."""

from collections.abc import Callable, Iterable

from modelkit.measuring.manifest import Entry, require_recordings
from speech import Engine, SpeechError, Utterance


def utterances_of(
    engine: Engine, entries: Iterable[Entry], advance: Callable[[], None]
) -> list[list[Utterance]]:
    """The utterances of each recording. `advance` is called after each.

    Raises:
        FileNotFoundError: recordings are missing.
        SpeechError: a recording cannot be read; a note names it.
    """
    entries = list(entries)
    require_recordings(entries)
    found = []
    for entry in entries:
        try:
            found.append(list(engine.posteriors(entry.path)))
        except SpeechError as error:
            error.add_note(f"while reading {entry.path}")
            raise
        advance()
    return found
