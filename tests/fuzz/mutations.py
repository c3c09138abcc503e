"""What is done to a recording, each by dice that can be thrown again."""

import random
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.seeds import Seed
from tests.speech.media import id3

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
BOX = re.compile(rb"(?:moov|trak|mdia|minf|stbl|stsd|stsz|stsc|stco|stts|mdat|ftyp|moof|traf|trun|esds|elst)")
EBML = re.compile(
    rb"\x1a\x45\xdf\xa3|\x18\x53\x80\x67|\x1f\x43\xb6\x75|\x16\x54\xae\x6b|\x15\x49\xa9\x66|\xae|\xa3|\xe7"
)
CHUNK = re.compile(
    rb"fmt |data|LIST|fact|COMM|SSND|desc|pakt|kuki|idx1|movi|strh|strf|OggS|fLaC|wvpk|TTA1|\x47[\x40\x41]"
)

Mutate = Callable[[random.Random, Seed, Sequence[Seed]], bytes]


@dataclass(frozen=True, slots=True)
class Mutation:
    """``harmless``: it must be read as before. ``cuts``: there may be no more of it than before."""

    mutate: Mutate
    harmless: bool = False
    cuts: bool = False
    applies: Callable[[Seed], bool] = lambda _: True


def _place(dice: random.Random, content: bytes) -> int:
    return dice.randrange(max(len(content), 1))


def _flips(count: int) -> Mutate:
    def mutate(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
        content = bytearray(seed.content)
        for _ in range(count):
            content[_place(dice, content)] ^= 1 << dice.randrange(8)
        return bytes(content)

    return mutate


def _header(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    content = bytearray(seed.content)
    for _ in range(dice.choice((1, 4, 16))):
        content[dice.randrange(min(len(content), 256))] = dice.randrange(256)
    return bytes(content)


def _number(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    """A number of the header, or of an index at the end, says something else."""
    content = bytearray(seed.content)
    head = dice.random() < 0.6
    place = dice.randrange(min(len(content) - 4, 2048)) if head else len(content) - 4 - dice.randrange(1024)
    struct.pack_into(dice.choice("<>") + "I", content, max(place, 0), dice.choice(EXTREMES))
    return bytes(content)


def _length(pattern: re.Pattern[bytes], offset: int, size: int) -> Mutate:
    """The length beside a name of a box, chunk or element lies."""

    def mutate(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
        content = bytearray(seed.content)
        found = [match for match in pattern.finditer(seed.content) if 4 <= match.start() < len(content) - 16]
        for match in dice.sample(found, min(len(found), dice.choice((1, 1, 3)))):
            place = match.start() + offset if offset < 0 else match.end() + offset
            lie = dice.choice((dice.choice(EXTREMES), dice.randrange(2**16), dice.getrandbits(32)))
            content[place : place + size] = lie.to_bytes(8, dice.choice(("big", "little")))[-size:]
        return bytes(content)

    return mutate


def _cut(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    return seed.content[: _place(dice, seed.content)]


def _behead(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    return seed.content[_place(dice, seed.content) :]


def _drop(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    place = _place(dice, seed.content)
    return seed.content[:place] + seed.content[place + dice.choice((1, 64, 1000, 8000)) :]


def _repeat(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    place = _place(dice, seed.content)
    part = seed.content[place : place + dice.choice((1, 64, 1000, 8000))]
    return seed.content[:place] + part * dice.choice((2, 2, 50)) + seed.content[place + len(part) :]


def _swap(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    size = dice.choice((16, 512))
    content = bytearray(seed.content)
    one, other = sorted((_place(dice, content), _place(dice, content)))
    if other - one >= size:
        content[one : one + size], content[other : other + size] = (
            content[other : other + size],
            content[one : one + size],
        )
    return bytes(content)


def _fill(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    content = bytearray(seed.content)
    place, size = _place(dice, content), dice.choice((8, 200, 4000))
    value = dice.choice((b"\0", b"\xff", None))
    content[place : place + size] = dice.randbytes(size) if value is None else value * size
    return bytes(content)


def _splice(dice: random.Random, seed: Seed, seeds: Sequence[Seed]) -> bytes:
    other = dice.choice(seeds).content
    return seed.content[: _place(dice, seed.content)] + other[_place(dice, other) :]


def _join(dice: random.Random, seed: Seed, seeds: Sequence[Seed]) -> bytes:
    return seed.content + dice.choice((seed, dice.choice(seeds))).content


def _nest(dice: random.Random, seed: Seed, seeds: Sequence[Seed]) -> bytes:
    place = _place(dice, seed.content)
    return seed.content[:place] + dice.choice(seeds).content + seed.content[place:]


def _tag(dice: random.Random, seed: Seed, _: Sequence[Seed]) -> bytes:
    return id3(dice.choice((0, 100, 70_000))) + seed.content


def _has(pattern: re.Pattern[bytes]) -> Callable[[Seed], bool]:
    return lambda seed: pattern.search(seed.content, 4) is not None


MUTATIONS = {
    "as it is": Mutation(lambda _, seed, __: seed.content, harmless=True),
    "tag": Mutation(_tag, harmless=True, applies=lambda seed: seed.tagged),
    "flip 1": Mutation(_flips(1)),
    "flip 20": Mutation(_flips(20)),
    "flip 1000": Mutation(_flips(1000)),
    "header": Mutation(_header),
    "number": Mutation(_number),
    "box size": Mutation(_length(BOX, -4, 4), applies=_has(BOX)),
    "element": Mutation(_length(EBML, 0, 4), applies=_has(re.compile(rb"matroska|webm"))),
    "chunk size": Mutation(_length(CHUNK, 0, 4), applies=_has(CHUNK)),
    "cut": Mutation(_cut, cuts=True),
    "behead": Mutation(_behead),
    "drop": Mutation(_drop),
    "repeat": Mutation(_repeat),
    "swap": Mutation(_swap),
    "fill": Mutation(_fill),
    "splice": Mutation(_splice),
    "join": Mutation(_join),
    "nest": Mutation(_nest),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One file to transcribe."""

    number: int
    seed: Seed
    mutation: str
    content: bytes


def cases(seeds: Sequence[Seed], count: int, number: int) -> list[Case]:
    """``count`` files, the formats and mutations in turn; all of them follow from ``number``."""
    pairs = [(seed, name) for name, mutation in MUTATIONS.items() for seed in seeds if mutation.applies(seed)]
    random.Random(f"pairs {number}").shuffle(pairs)
    found = []
    for index in range(count):
        seed, name = pairs[index % len(pairs)]
        dice = random.Random(f"{number} {index}")
        found.append(Case(index, seed, name, MUTATIONS[name].mutate(dice, seed, seeds)))
    return found
