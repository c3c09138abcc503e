"""Readability rules for subtitles: every figure, with its source.

BBC: BBC Subtitle Guidelines (bbc.co.uk/accessibility/forproducts/guides/subtitles). Netflix: Timed Text Style
Guide, general requirements and Hindi (partnerhelp.netflixstudios.com).
"""

from typing import Final

MAX_WIDTH: Final = 42
"""Grapheme clusters per line (Netflix, also for Hindi)."""
MAX_LINES: Final = 2
"""Lines per cue (both guidelines)."""
READING_SPEED: Final = 17
"""Characters per second, with spaces (Netflix, for adults; the BBC's 160 to 180 words a minute agree)."""
MIN_MS: Final = 1_000
"""Shortest display time of a cue, if the next cue leaves room (Netflix requires at least 5/6 s)."""
MAX_MS: Final = 7_000
"""Longest display time of a cue (Netflix)."""
GAP_MS: Final = 84
"""Empty time between two cues, so that the eye notices the change (Netflix: 2 frames at 24 a second, rounded
up)."""
SHORTEST_REST_MS: Final = 1_000
"""A shorter gap between two cues looks jerky (BBC), so the first cue is extended to fill it."""
LONGEST_PAUSE_MS: Final = 1_000
"""A pause of this length ends a cue. It equals SHORTEST_REST_MS: from there on, the screen may be empty."""
CLEAR_PAUSE_MS: Final = 400
"""A pause of this length, or longer, costs nothing to cut at."""
SHORTEST_MS: Final = 200
"""Display time that every cue gets, even if the words follow too closely: enough to be seen."""

# BBC and Netflix: break lines and cues at phrase boundaries, not between words that belong together. In Hindi
# these words belong to the preceding one: postpositions, particles, forms of "to be" and of tense.
_CLINGING = """
का के की को से में पर ने तक भी ही है हैं हूँ हूं हो था थे थी थीं गा गे गी रहा रहे रही चाहिए वाला वाले वाली जी
"""
# These words begin a phrase.
_OPENING = """
और लेकिन मगर परंतु किंतु बल्कि या कि क्योंकि इसलिए अगर यदि जब जहाँ जो ताकि जबकि
"""
CLINGING: Final = frozenset(_CLINGING.split())
OPENING: Final = frozenset(_OPENING.split())
SENTENCE_ENDS: Final = ("।", "॥", "?", "!", ".")
