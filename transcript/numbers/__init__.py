"""Inverse text normalisation: write the Hindi number words of a transcript in digits, as people write them.

    spelling     normalise spelling variants for lookup
    lexicon      tables/*.tsv as dictionaries
    grammar      compute the value of a run of number words
    runs         find number words, and digits that are read out one by one
    policy       decide which numbers to write in digits, by their size and the words beside them
    formatting   digits, grouping, money, clock times
    writing      replace number words in a segment

docs/text.md specifies which numbers are written in digits.
"""

from transcript.numbers.formatting import Digits
from transcript.numbers.writing import write_numbers

__all__ = ["Digits", "write_numbers"]
