"""Collect what is imperfect about a recording while it is read. docs/audio.md has the policy."""

from typing import Final

from shrutlekh_contract.audio_warnings import MAX_SPANS, AudioWarning, WarningCode

from speech.audio.signal_meter import SignalReport

JOINED_SECONDS: Final = 0.25
"""Gaps that are less than this apart are listed as one: damage often spoils several packets in a row."""


class Defects:
    """The imperfections of one recording. Times are seconds from its start.

    Attributes:
        offset: start of the current link, see `speech.audio.structure.links`. The readers count from there.
    """

    def __init__(self) -> None:
        self.offset = 0.0
        self._gaps: list[tuple[float, float]] = []
        self._cut: tuple[float, float | None] | None = None
        self._length: tuple[float, float] | None = None
        self._channels: tuple[float, int, int] | None = None

    def gap(self, start: float, end: float) -> None:
        """Note that the samples from `start` to `end` seconds in the link are lost."""
        start, end = self.offset + start, self.offset + end
        last = self._gaps[-1] if self._gaps else None
        if last is not None and (start - last[1] < JOINED_SECONDS or len(self._gaps) == MAX_SPANS):
            self._gaps[-1] = (last[0], max(end, last[1]))
        else:
            self._gaps.append((start, end))

    def cut(self, at: float, missing: float | None) -> None:
        """Note that the link ends early, `at` seconds after its start.

        Args:
            missing: seconds that its header states beyond that; None if it states none.
        """
        if self._gaps and self._gaps[-1][0] >= self.offset + at - JOINED_SECONDS:
            self._gaps.pop()  # the rest of the frame in which it was cut
        if self._cut is None:
            self._cut = (self.offset + at, missing)

    def length(self, stated: float, found: float) -> None:
        """Note that the link is `found` seconds long and its header states another length."""
        if self._length is None:
            self._length = (stated, found)

    def channels(self, at: float, before: int, after: int) -> None:
        """Note that the number of channels changes `at` seconds after the link's start."""
        if self._channels is None:
            self._channels = (self.offset + at, before, after)

    def warnings(self, signal: SignalReport) -> tuple[AudioWarning, ...]:
        """Return the warnings, each code at most once, those of lost audio first."""
        found = [self._truncation(), self._gap(), self._disagreement(), self._change(), *_of_signal(signal)]
        return tuple(warning for warning in found if warning is not None)

    def _truncation(self) -> AudioWarning | None:
        if self._cut is None:
            return None
        at, missing = self._cut
        told = "" if not missing else f"; by its header {missing:.1f} s more should follow"
        return AudioWarning(
            WarningCode.AUDIO_TRUNCATED,
            f"The recording was cut off or never finished: it ends after {at:.1f} s{told}. The text goes as "
            "far as the recording. If the rest exists, copy the recording again from its source.",
        )

    def _gap(self) -> AudioWarning | None:
        if not self._gaps:
            return None
        seconds = sum(end - start for start, end in self._gaps)
        first = self._gaps[0][0]
        places = "in one place" if len(self._gaps) == 1 else f"in {len(self._gaps)} places"
        return AudioWarning(
            WarningCode.AUDIO_GAPS,
            f"The recording is damaged {places}, first after {first:.1f} s: {seconds:.2f} s could not be "
            "read and count as silence. Words there are missing.",
            tuple(self._gaps),
        )

    def _disagreement(self) -> AudioWarning | None:
        if self._length is None:
            return None
        stated, found = self._length
        return AudioWarning(
            WarningCode.LENGTH_DISAGREES,
            f"The header states a length of {stated:.1f} s, but the recording has {found:.1f} s. All of it "
            "was read.",
        )

    def _change(self) -> AudioWarning | None:
        if self._channels is None:
            return None
        at, before, after = self._channels
        return AudioWarning(
            WarningCode.CHANNELS_CHANGED,
            f"The recording goes from {before} to {after} channels after {at:.1f} s. Missing channels "
            f"count as silent, and those beyond the first {before} are mixed into the last.",
        )


def _of_signal(signal: SignalReport) -> list[AudioWarning | None]:
    found: list[AudioWarning | None] = []
    if signal.is_clipped:
        found.append(
            AudioWarning(
                WarningCode.AUDIO_CLIPPED,
                f"The recording is overdriven: {signal.clipped_share:.1%} of its samples are cut off at full "
                "scale. Lower the recording level next time.",
            )
        )
    if signal.is_quiet:
        found.append(
            AudioWarning(
                WarningCode.AUDIO_QUIET,
                f"The recording is very quiet: its loudest parts reach {signal.loudness:.0f} dB below full "
                "scale. Words may be missing. Raise the recording level next time.",
            )
        )
    if signal.twins:
        pairs = ", ".join(f"{first} and {second}" for first, second in signal.twins)
        found.append(
            AudioWarning(
                WarningCode.CHANNELS_IDENTICAL,
                f"Channels {pairs} hold the same sound, so their transcripts are the same. Transcribe this "
                "recording with channels=mix.",
            )
        )
    return found
