"""Numbers in digits: Hindi number words, as a transcript has them, written as people write them.

    spelling   what makes two spellings one
    lexicon    tables/*.tsv as dictionaries
    grammar    the value of a run of number words
    runs       where number words stand, and digits that are read out one by one
    policy     which numbers are written, by size and by what stands beside them
    form       digits, grouping, money, clock
    writing    the words of a segment, merged

What is written and what stays is in docs/text.md.
"""

from transcript.numbers.form import Digits
from transcript.numbers.writing import write_numbers

__all__ = ["Digits", "write_numbers"]
