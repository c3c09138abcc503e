"""The recipe's corpora made small, in parts of a size, to train on a machine that nothing else reaches.

A part is a folder to lay over the others: together they are a speech folder as `prepare` reads it, with every
training clip as Opus of a low bit rate. What is evaluated is copied as it is. espeak-ng's speech does not
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

from modelkit import Entry, read_manifest
from training import recipe
from training.text.letters import READ_BY_LETTERS

# The range of libsndfile's Opus, between whose ends a compression level of 0 to 1 chooses; bits a second.
_MOST, _LEAST = 256_000, 6_000
_COLUMNS = ("path", "text", "speaker", "language")


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


def opus(path: Path, bits: int) -> bytes:
    """The clip as mono Ogg Opus at the recipe's rate, of about `bits` bits a second."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(audio.mean(axis=1), rate, recipe.SAMPLE_RATE)
    level = 1.0 - (bits - _LEAST) / (_MOST - _LEAST)
    buffer = io.BytesIO()
    soundfile.write(
        buffer, mono, recipe.SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=min(1.0, level)
    )
    return buffer.getvalue()


def _is_evaluated(manifest: str, entry: Entry) -> bool:
    return any(
        manifest == chosen.manifest and (not chosen.speakers or entry.speaker in chosen.speakers)
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
    for text in (name for style in recipe.SPOKEN_TEXTS for name in style.files):
        parts.write(Path("text") / text, (speech / "text" / text).read_bytes())
    manifests = dict.fromkeys(
        [c.manifest for c in recipe.CORPORA] + [s.manifest for s in recipe.EVALUATION_SETS]
    )
    coded: list[tuple[Path, Path]] = []
    for manifest in manifests:
        path = Path(manifest)
        lines = ["\t".join(_COLUMNS)]
        for entry in [] if str(path.parent) in without else read_manifest(speech / path):
            if entry.language not in recipe.SPOKEN_BY_ESPEAK | READ_BY_LETTERS:
                continue
            name = entry.path.relative_to((speech / path).parent)
            if _is_evaluated(manifest, entry):
                parts.write(path.parent / name, entry.path.read_bytes())
            else:
                name = name.with_suffix(".opus")
                coded.append((path.parent / name, entry.path))
            lines.append("\t".join([name.as_posix(), entry.text, entry.speaker, entry.language]))
        parts.write(path, "\n".join([*lines, ""]).encode())
    with get_context("spawn").Pool(processes) as pool:
        code = partial(opus, bits=round(kilobits * 1000))
        made = pool.imap(code, [source for _, source in coded], chunksize=16)
        for count, ((clip, _), data) in enumerate(zip(coded, made, strict=True), 1):
            parts.write(clip, data)
            advance(count, len(coded))
    return parts.sizes
