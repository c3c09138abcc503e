"""Pack the recipe's corpora into small parts, to train on a machine without a network.

A part is a folder to copy over the others. Together they are a speech folder for `prepare`, with every
training clip as Opus of a low bit rate. Evaluation clips are copied unchanged. Speech by espeak-ng is not
packed, because `prepare` can make it there.
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

# Bits per second of libsndfile's Opus at compression levels 0 and 1. It interpolates in between.
_MOST, _LEAST = 256_000, 6_000
_COLUMNS = ("path", "text", "speaker", "language")


@dataclass(slots=True)
class Parts:
    """Writes files into parts below `folder`, and starts a new part before one gets too large."""

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
    """Encode a clip as mono Ogg Opus at the recipe's sample rate and about `bits` bits per second."""
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
    """Pack the recipe's part of the folder `speech`. Returns the bytes of each part.

    `without` names corpora of the recipe to leave out, whose manifests become empty. `advance` receives the
    number of clips done and the total.
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
