"""How subtitles are made to be read: every figure, and where it is from.

The guidelines meant: BBC Subtitle Guidelines (bbc.co.uk/accessibility/forproducts/guides/subtitles); Netflix
Timed Text Style Guide, general requirements and Hindi (partnerhelp.netflixstudios.com).
"""

from typing import Final

MAX_WIDTH: Final = 42
"""Grapheme clusters on a line: Netflix, also for Hindi."""
MAX_LINES: Final = 2
"""Both guidelines."""
READING_SPEED: Final = 17
"""Characters a second, spaces included: Netflix for adults; the BBC's 160 to 180 words a minute are alike."""
MIN_MS: Final = 1_000
"""A cue is shown so long if there is room. Netflix asks for 5/6 of a second at least."""
MAX_MS: Final = 7_000
"""A cue is shown no longer: Netflix."""
GAP_MS: Final = 84
"""Nothing is shown between two cues for so long, for the eye to notice the change: Netflix, 2 frames of 24 a
second, rounded up."""
SHORTEST_REST_MS: Final = 1_000
"""A rest between two cues that would be shorter is filled by the first of them: BBC, which calls it jerky."""
LONGEST_PAUSE_MS: Final = 1_000
"""A pause so long ends a cue: from here on a rest is long enough to be left."""
CLEAR_PAUSE_MS: Final = 400
"""A pause so long is as good a place to break as there is."""
SHORTEST_MS: Final = 200
"""What a cue gets although words that leave no time push each other on: enough to be seen."""

# BBC and Netflix: lines and cues break where speech would, not between words that belong together. In Hindi
# these lean on the word before: postpositions, particles, forms of "to be" and of tense.
_CLINGING = """
का के की को से में पर ने तक भी ही है हैं हूँ हूं हो था थे थी थीं गा गे गी रहा रहे रही चाहिए वाला वाले वाली जी
"""
# And these begin what comes.
_OPENING = """
और लेकिन मगर परंतु किंतु बल्कि या कि क्योंकि इसलिए अगर यदि जब जहाँ जो ताकि जबकि
"""
CLINGING: Final = frozenset(_CLINGING.split())
OPENING: Final = frozenset(_OPENING.split())
SENTENCE_ENDS: Final = ("।", "॥", "?", "!", ".")
