"""Test transcripts: realistic and arbitrary ones, made by hand and by Hypothesis."""

from collections.abc import Iterable

from hypothesis import strategies as st

from transcript.transcript import Transcript
from transcript.words import Segment, Word

_SENTENCE = """
मैं ने कल शाम को बाज़ार में एक नई किताब देखी और उस के बारे में अपने दोस्त से बात की
लेकिन वह बहुत महँगी थी इसलिए हम ने सोचा कि पुस्तकालय से ले लेंगे क्योंकि वहाँ सब कुछ मुफ़्त मिलता है
"""
SENTENCE = _SENTENCE.split()
_MARKUP = [
    "<b>",
    "</v>",
    "-->",
    "00:00:01.000 --> 00:00:02.000",
    "{\\an8}",
    "&amp;",
    "&",
    "WEBVTT",
    "NOTE",
    "5",
]
_INVISIBLE = ["a\tb", "a\nb", "\x00", " ", "\u2028", "\r", "\ufeff", "\u200d", "क\x85ख", "₹ 5 लाख", "\\"]


def said(*words: tuple[str, float, float], channel: int | None = None) -> Segment:
    """Make a segment of words, each with start and end."""
    return Segment.from_words(tuple(Word(text, start, end, 0.5) for text, start, end in words), channel)


def talk(
    words: Iterable[str], start: float = 0.5, pace: float = 0.3, channel: int | None = None, **pauses: float
) -> Segment:
    """Make a segment of consecutive words of `pace` seconds. `after_N` is the pause after word N, from 0."""
    timed, now = [], start
    for index, word in enumerate(words):
        timed.append((word, now, now + pace))
        now += pace + pauses.get(f"after_{index}", 0.0)
    return said(*timed, channel=channel)


def transcript_of(*segments: Segment, seconds: float = 60.0) -> Transcript:
    """The transcript of a recording that lasts `seconds`."""
    return Transcript.of(segments, language="hi", seconds=seconds, model="hi-test", speech_seconds=1.5)


TIMES = st.one_of(
    st.floats(0, 30),
    st.floats(0, 400_000),
    st.sampled_from([0.0, 0.0004, 0.0005, 1.0, 1.0005, 1e-9, 359_999.9996, -1.0, float("nan"), float("inf")]),
)
TEXTS = st.one_of(
    st.sampled_from(SENTENCE),
    st.sampled_from([*_MARKUP, *_INVISIBLE, "क" * 43, "क्ष" * 100]),
    st.text(max_size=12),
)
WORDS = st.builds(Word, text=TEXTS, start=TIMES, end=TIMES, confidence=st.floats(0, 1))


@st.composite
def _segments(draw: st.DrawFn, channels: st.SearchStrategy[int | None]) -> Segment:
    words = draw(st.lists(WORDS, min_size=1, max_size=12))
    if draw(st.booleans()):  # as a recogniser makes them: one after another
        now = draw(st.floats(0, 60))
        timed = []
        for word in words:
            length = draw(st.floats(0, 1.2))
            timed.append(Word(word.text, now, now + length, word.confidence))
            now += length + draw(st.sampled_from([0.0, 0.0, 0.04, 0.3, 1.5]))
        words = timed
    segment = Segment.from_words(tuple(words), draw(channels))
    if draw(st.integers(0, 9)) == 0:
        return Segment(segment.start, segment.end, segment.text, None, (), segment.channel)
    return segment


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Arbitrary transcripts: invalid, decreasing and too late times, and any characters."""
    channels = draw(st.sampled_from([st.none(), st.just(1), st.integers(1, 2), st.integers(1, 4)]))
    segments = draw(st.lists(_segments(channels), max_size=5))
    return transcript_of(*segments, seconds=draw(st.sampled_from([0.0, 0.4, 30.0, 70.0, 500_000.0])))


@st.composite
def conversations(draw: st.DrawFn) -> Transcript:
    """Realistic transcripts of one or two channels."""
    segments = []
    for channel in draw(st.sampled_from([(None,), (1,), (1, 2)])):
        now = draw(st.floats(0, 3))
        for _ in range(draw(st.integers(0, 4))):
            timed = []
            for text in draw(st.lists(st.sampled_from(SENTENCE), min_size=1, max_size=25)):
                length = draw(st.floats(0.08, 0.7))
                timed.append((text, now, now + length))
                now += length + draw(st.sampled_from([0.0, 0.0, 0.04, 0.2, 0.6]))
            segments.append(said(*timed, channel=channel))
            now += draw(st.sampled_from([0.3, 0.9, 1.2, 4.0]))
    end = max((segment.end for segment in segments), default=0.0)
    return transcript_of(*segments, seconds=end + draw(st.sampled_from([0.0, 0.3, 5.0])))
