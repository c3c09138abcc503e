"""Previews of audio that is not final yet: a window of the newest audio, decoded again and again.

A preview decodes at most a few seconds. Words that leave the window are kept as they were decoded last, until
the final segment replaces them. Each preview also says which words the one before had too: source is local
agreement, D. Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial
Hypothesis Selection" (Interspeech 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from speech.audio.blocks import Samples
from speech.chunk_recogniser import ChunkRecogniser
from speech.decoding import Decoder
from speech.segments import Chunk
from transcript.words import Word

WINDOW_SECONDS = 6.0
"""Audio that a preview decodes before words leave its window. Longer costs more and changes words less."""

LONGEST_SECONDS = 12.0
"""Most audio that a preview decodes. If more has come since the last one, the earlier part is left to the
final segments."""

CONTEXT_SECONDS = 2.0
"""The newest part of a window, whose words never leave it."""

PHRASE_PAUSE_SECONDS = 1.2
"""Silence after which the words before it leave the window."""

LEAD_SECONDS = 1.0
"""Audio kept for words that may have begun, where the window has no words."""

EDGE_SECONDS = 0.2
"""Words that end within this of the newest sample are held back: the model has not heard what follows."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What was said since the last final segment, as far as it is known.

    Attributes:
        words: with times in seconds from the beginning of the audio.
        stable: number of words at the beginning that the preview before had too.
    """

    words: tuple[Word, ...]
    stable: int


class Previewer:
    """Decodes the newest audio of one channel."""

    def __init__(
        self,
        recogniser: ChunkRecogniser,
        decoder: Decoder[Any],
        rate: int,
        window_seconds: float = WINDOW_SECONDS,
        edge_seconds: float = EDGE_SECONDS,
    ) -> None:
        self._recogniser = recogniser
        self._decoder = decoder
        self._rate = rate
        self._window_seconds = window_seconds
        self._edge_seconds = edge_seconds
        self._audio = np.zeros(0, np.float32)
        """The window: from sample `_start` to the newest one."""
        self._pieces: list[Samples] = []
        """Audio after `_audio`."""
        self._is_new = False
        """Whether audio was added since the last preview."""
        self._start = 0
        self._left: list[Word] = []
        """Words before the window that are not final."""
        self._last: tuple[Word, ...] = ()
        """The words of the last preview within the window."""
        self._stable = 0
        """How many of the words before the window and of the last preview were in the preview before too."""

    def append(self, samples: Samples) -> None:
        """Add the next samples, shape (n,)."""
        self._pieces.append(samples)
        self._is_new = True

    def settle(self, seconds: float) -> None:
        """Forget what is before `seconds`: it is final."""
        known = (*self._left, *self._last)
        done = sum((word.start + word.end) / 2 < seconds for word in known)
        if done:
            self._stable = max(self._stable - done, 0)
            self._last = self._last[max(done - len(self._left), 0) :]
            self._left = self._left[done:]
        self._move(round(seconds * self._rate))

    @property
    def current(self) -> Preview:
        """What is left of the last preview, without what has become final."""
        return Preview((*self._left, *self._last), self._stable)

    def update(self) -> Preview | None:
        """Decode the window. None if nothing was added since the last time."""
        if not self._is_new:
            return None
        self._is_new = False
        self._audio = np.concatenate((self._audio, *self._pieces))
        self._pieces = []
        excess = len(self._audio) - round(LONGEST_SECONDS * self._rate)
        if excess > 0:
            until = self._seconds(excess)
            passed = sum((word.start + word.end) / 2 < until for word in self._last)
            self._leave(self._last, passed, until)
        words = self._words()
        end = self._seconds(len(self._audio))
        shown = [word for word in words if word.end <= end - self._edge_seconds]
        agreed = _agreeing(shown, self._last)
        self._last, self._stable = tuple(shown), len(self._left) + agreed
        preview = self.current
        self._let_go(words, agreed)
        return preview

    def _words(self) -> tuple[Word, ...]:
        """Decode the window, without the silence at both ends."""
        (spans,) = self._recogniser.voiced([Chunk(self._start, self._audio)])
        if not spans:
            return ()
        begin, end = spans[0][0], spans[-1][1]
        chunk = Chunk(self._start + begin, self._audio[begin:end])
        inside = [(low - begin, high - begin) for low, high in spans]
        emission = self._recogniser.recognise_spans(chunk, inside)
        assert emission is not None
        heard = self._decoder.hear(emission)
        written = self._decoder.plausibility.written(heard, (end - begin) / self._rate)
        return self._decoder.timed(written, self._seconds(begin), self._seconds(end))

    def _let_go(self, words: tuple[Word, ...], agreed: int) -> None:
        """Move the window on: behind words that can leave it, or behind what has no words."""
        end = self._seconds(len(self._audio))
        seconds = len(self._audio) / self._rate
        if not words or end - words[-1].end >= PHRASE_PAUSE_SECONDS:
            if seconds > LEAD_SECONDS:
                self._leave(words, len(words), end - LEAD_SECONDS)
        elif seconds > self._window_seconds:
            limit = len(words) if seconds > 1.5 * self._window_seconds else agreed + 1
            gaps = [
                (words[at].start - words[at - 1].end, at)
                for at in range(1, min(limit, len(words)))
                if words[at].start <= end - CONTEXT_SECONDS
            ]
            if gaps:
                _, at = max(gaps)
                self._leave(words, at, (words[at - 1].end + words[at].start) / 2)
            elif limit == len(words):
                self._leave(words, len(words), max(words[-1].end, end - LEAD_SECONDS))

    def _leave(self, words: tuple[Word, ...], count: int, until: float) -> None:
        """Let the first `count` words leave the window, which then begins at `until` seconds."""
        self._left += words[:count]
        self._last = self._last[count:]
        self._move(round(until * self._rate))

    def _move(self, sample: int) -> None:
        """Begin the window at `sample`, unless it begins later."""
        if sample <= self._start:
            return
        self._audio = np.concatenate((self._audio, *self._pieces))[sample - self._start :]
        self._pieces = []
        self._start = sample

    def _seconds(self, index: int) -> float:
        """Time of a sample of the window, in seconds from the beginning of the audio."""
        return (self._start + index) / self._rate


def _agreeing(words: Sequence[Word], others: Sequence[Word]) -> int:
    """Count the words at the beginning whose texts are the same in both."""
    same = (one.text == other.text for one, other in zip(words, others, strict=False))
    return sum(takewhile(bool, same))
