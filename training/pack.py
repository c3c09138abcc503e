"""The recipe's corpora made small, in parts of a size, to train on a machine that nothing else reaches.

A part is a folder to lay over the others: together they are a speech folder as `prepare` reads it, with every
training clip as Opus of a low bit rate. What is evaluated is copied as it is. Synthetic speech does not
travel: `prepare` makes it there.
"""

import io
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import soundfile
import soxr

from training import recipe
from training.prepare import read_manifest

# The range of libsndfile's Opus, between whose ends a compression level of 0 to 1 chooses; bits a second.
_MOST, _LEAST = 256_000, 6_000
_COLUMNS = ("path", "text", "seconds", "speaker", "language")


@dataclass(slots=True)
class Parts:
    """Folders below `folder`, the next one begun where one more file would make the last too large."""

    folder: Path
    most_bytes: int
    sizes: list[int]

    def write(self, name: Path, data: bytes) -> None:
        if not self.sizes or self.sizes[-1] + len(data) > self.most_bytes:
            self.sizes.append(0)
        path = self.folder / f"part-{len(self.sizes)}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.sizes[-1] += len(data)


def opus(path: str, bits: int) -> bytes:
    """The clip as mono Ogg Opus at the recipe's rate, of about `bits` bits a second."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(audio.mean(axis=1), rate, recipe.SAMPLE_RATE)
    level = 1.0 - (bits - _LEAST) / (_MOST - _LEAST)
    buffer = io.BytesIO()
    soundfile.write(
        buffer, mono, recipe.SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=min(1.0, level)
    )
    return buffer.getvalue()


def _is_evaluated(manifest: str, row: dict[str, str]) -> bool:
    return any(
        manifest == chosen.manifest and (not chosen.speakers or row["speaker"] in chosen.speakers)
        for chosen in recipe.EVALUATION_SETS
    )


def pack(
    speech: Path,
    out: Path,
    kilobits: float,
    most_bytes: int,
    without: Collection[str],
    processes: int,
    advance: Callable[[int, int], None],
) -> list[int]:
    """Pack the recipe's part of the folder `speech`; returns the bytes of each part.

    `without` are corpora of the recipe to leave out: their manifests stay, empty. `advance` is told how many
    of how many clips are done.
    """
    shutil.rmtree(out, ignore_errors=True)
    parts = Parts(out, most_bytes, [])
    for text in recipe.WHOLE_TEXTS + recipe.PHRASE_TEXTS:
        parts.write(Path("text") / text, (speech / "text" / text).read_bytes())
    manifests = dict.fromkeys(
        [c.manifest for c in recipe.CORPORA] + [s.manifest for s in recipe.EVALUATION_SETS]
    )
    coded: list[tuple[Path, str]] = []
    for manifest in manifests:
        path = Path(manifest)
        lines = ["\t".join(_COLUMNS)]
        for row in [] if str(path.parent) in without else read_manifest(speech / path):
            if row["language"] not in recipe.SPOKEN_BY_ESPEAK:
                continue
            name = Path(row["path"]).relative_to((speech / path).parent)
            if _is_evaluated(manifest, row):
                parts.write(path.parent / name, Path(row["path"]).read_bytes())
            else:
                name = name.with_suffix(".opus")
                coded.append((path.parent / name, row["path"]))
            lines.append("\t".join([name.as_posix(), *(row[c] for c in _COLUMNS[1:])]))
        parts.write(path, "\n".join([*lines, ""]).encode())
    with get_context("spawn").Pool(processes) as pool:
        code = partial(opus, bits=round(kilobits * 1000))
        made = pool.imap(code, [source for _, source in coded], chunksize=16)
        for count, ((clip, _), data) in enumerate(zip(coded, made, strict=True), 1):
            parts.write(clip, data)
            advance(count, len(coded))
    return parts.sizes
