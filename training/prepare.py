"""From manifests and text to a training store: decode, synthesise, phonemise, pack."""

import csv
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
import soxr

from training import recipe
from training.espeak import Espeak
from training.festival import Festival
from training.letters import READ_BY_LETTERS, ipa_of
from training.phones import inventory, phones_of
from training.spelling import BLANK, CHARACTERS, WORD_GAP, text_key, training_text
from training.store import StoreWriter
from training.transliteration import devanagari


@dataclass(frozen=True, slots=True)
class Task:
    """One clip to make: decode `path`, or speak `text` when `path` is empty."""

    path: str
    text: str
    language: str
    speaker: str
    source: str
    split: str
    repeat: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    task: Task
    audio: np.ndarray
    phones: tuple[str, ...]


def read_manifest(path: Path) -> list[dict[str, str]]:
    """Rows of a manifest with the columns path, text, seconds, speaker, language; paths from here."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    missing = {"path", "text", "language"} - set(rows[0] if rows else ())
    if rows and missing:
        raise ValueError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    return [{**row, "path": str(path.parent / row["path"])} for row in rows]


def forbidden_keys(manifests: Iterable[Path], held_out: Iterable[str]) -> set[str]:
    """Keys of the sentences that no training text may hold: the evaluation sets' own."""
    return {text_key(row["text"]) for path in manifests for row in read_manifest(path)} | {
        text_key(text) for text in held_out
    }


def real_tasks(manifest: Path, repeat: int, held_out: Iterable[str], forbidden: set[str]) -> list[Task]:
    """The clips of one manifest; those of a held-out speaker or book go to the split ``held-out``."""
    books = set(held_out)
    tasks = []
    for row in read_manifest(manifest):
        language = row["language"]
        if language not in recipe.SPOKEN_BY_ESPEAK | READ_BY_LETTERS:
            continue
        speaker = row.get("speaker") or ""
        split = "held-out" if speaker in books else "train"
        text = row["text"]
        if language == "hi":
            spelt = training_text(text)
            if spelt is None:
                continue
            text = spelt
            # A common word alone may also be a held-out word: only whole sentences are forbidden.
            if split == "train" and " " in spelt and text_key(text) in forbidden:
                continue
        times = repeat * recipe.LANGUAGE_REPEAT.get(language, 1)
        tasks.append(Task(row["path"], text, language, speaker, manifest.parent.name, split, times))
    return tasks


def sentences(texts: Iterable[Path], forbidden: set[str], most_words: int) -> Iterator[str]:
    """Every usable sentence or phrase once, cut to `most_words` words."""
    seen = set(forbidden)
    for path in texts:
        for line in path.read_text(encoding="utf-8").splitlines():
            for piece in line.replace("।", "\n").replace("?", "\n").replace("!", "\n").splitlines():
                spelt = training_text(piece)
                if spelt is None:
                    continue
                words = spelt.split()
                for start in range(0, len(words), most_words):
                    phrase = " ".join(words[start : start + most_words])
                    key = text_key(phrase)
                    if len(key) > 1 and key not in seen:
                        seen.add(key)
                        yield phrase


def synthetic_tasks(
    whole: list[Path], phrases: list[Path], forbidden: set[str], seconds: float, source: str, seed: int
) -> list[Task]:
    """Enough sentences to speak about `seconds`, the whole texts first, then random phrases of the others.

    `source` is the synthesiser: "synthetic" for espeak-ng, "festival" for Festival.
    """
    rng = random.Random(seed)
    first = list(sentences(whole, forbidden, 16))
    rest = list(sentences(phrases, forbidden, 10))
    rng.shuffle(first)
    rng.shuffle(rest)
    tasks: list[Task] = []
    left = seconds
    for phrase in first + rest:
        left -= 0.6 + 0.085 * len(phrase)  # what the voices take on average
        if left < 0:
            break
        tasks.append(Task("", phrase, "hi", source, source, "train", 1, len(tasks)))
    return tasks


@dataclass(slots=True)
class Sources:
    """Manifests with how often an epoch repeats them, texts to speak, and what no training text may hold."""

    manifests: list[tuple[Path, int]] = field(default_factory=list)
    excluded: list[Path] = field(default_factory=list)
    whole_texts: list[Path] = field(default_factory=list)
    phrase_texts: list[Path] = field(default_factory=list)
    held_out: list[str] = field(default_factory=lambda: list(recipe.HELD_OUT_BOOKS))

    @classmethod
    def of_recipe(cls, speech: Path) -> "Sources":
        """The recipe's own, below the folder `speech`."""
        return cls(
            [(speech / c.manifest, c.repeat) for c in recipe.CORPORA],
            [speech / name for name in recipe.EXCLUDED_MANIFESTS],
            [speech / "text" / name for name in recipe.WHOLE_TEXTS],
            [speech / "text" / name for name in recipe.PHRASE_TEXTS],
        )

    def forbidden(self) -> set[str]:
        """Keys of the evaluation sets' sentences and of the held-out books' pages."""
        held = [
            row["text"]
            for path, _ in self.manifests
            for row in read_manifest(path)
            if row.get("speaker") in self.held_out and " " in row["text"]
        ]
        return forbidden_keys(self.excluded, held)


def gather(sources: Sources, hours: Mapping[str, float]) -> list[Task]:
    """Every clip to make, with `hours` of speech by each synthesiser. None to train on is a held-out text."""
    forbidden = sources.forbidden()
    tasks: list[Task] = []
    for seed, (source, amount) in enumerate(hours.items(), 1):
        tasks += synthetic_tasks(
            sources.whole_texts, sources.phrase_texts, forbidden, amount * 3600, source, seed
        )
    for path, repeat in sources.manifests:
        tasks += real_tasks(path, repeat, sources.held_out, forbidden)
    return tasks


_ESPEAK: Espeak | None = None
_FESTIVAL: Festival | None = None


def _spoken(task: Task, espeak: Espeak) -> tuple[np.ndarray, int, str] | None:
    """The task's text in a voice that follows from its seed: float32 audio, its rate, the voice's name."""
    global _FESTIVAL
    rng = random.Random(task.seed)
    if task.source == "festival":
        _FESTIVAL = _FESTIVAL or Festival()
        made = _FESTIVAL.synthesise(task.text, rng.uniform(0.8, 1.4))
        return (*made, "festival-nsk") if made else None
    variant = rng.choice(recipe.VARIANTS)
    espeak.set_voice(f"hi+{variant}" if variant else "hi")
    spoken = espeak.synthesise(task.text, rng.randint(105, 215), rng.randint(15, 85), rng.randint(20, 90))
    return spoken.astype(np.float32) / 32768.0, espeak.sample_rate, f"espeak-{variant or 'plain'}"


def _ipa(task: Task, espeak: Espeak) -> str:
    if task.language in READ_BY_LETTERS:
        return ipa_of(task.text, task.language)
    espeak.set_voice(recipe.ESPEAK_VOICES.get(task.language, task.language))
    return espeak.ipa(task.text)


def make(task: Task) -> Made | None:
    """Decode or speak one clip and phonemise its text; None when it cannot be used."""
    global _ESPEAK
    if _ESPEAK is None:
        _ESPEAK = Espeak()
    espeak = _ESPEAK
    if task.path:
        audio, rate = soundfile.read(task.path, dtype="float32", always_2d=True)
        audio = audio.mean(axis=1)
    else:
        spoken = _spoken(task, espeak)
        if spoken is None:
            return None
        audio, rate, voice = spoken
        task = replace(task, speaker=voice)
    if rate != recipe.SAMPLE_RATE:
        audio = soxr.resample(audio, rate, recipe.SAMPLE_RATE, "MQ")
    seconds = len(audio) / recipe.SAMPLE_RATE
    if not recipe.MIN_SECONDS <= seconds <= recipe.MAX_SECONDS:
        return None
    phones = tuple(phones_of(_ipa(task, espeak), task.language))
    if not phones or len(phones) > 25 * seconds:
        return None
    return Made(task, (np.clip(audio, -1, 1) * 32767).astype(np.int16), phones)


def prepare(
    folder: Path, tasks: list[Task], processes: int, advance: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Make every task's clip and write the store and its symbols; returns hours by source and split."""
    writer = StoreWriter(folder)
    hours: dict[str, float] = {}
    sequences = []
    with get_context("spawn").Pool(processes) as pool:
        for made in pool.imap(make, tasks, chunksize=32):
            advance()
            if made is None:
                continue
            task = made.task
            writer.add(
                made.audio,
                split=task.split,
                source=task.source,
                language=task.language,
                speaker=task.speaker,
                repeat=task.repeat,
                phones=" ".join(made.phones),
                text=task.text if task.language == "hi" else devanagari(task.text, task.language) or "",
            )
            if task.split == "train":
                sequences.append(list(made.phones))
            name = f"{task.source} ({task.split})"
            hours[name] = hours.get(name, 0.0) + len(made.audio) / recipe.SAMPLE_RATE / 3600
    least = min(50, 1 + sum(map(len, sequences)) // 10_000)  # rarer phones are slips of the reading
    symbols = {
        "phones": [BLANK, *inventory(sequences, least)],
        "characters": [BLANK, WORD_GAP, *CHARACTERS],
        "hours": hours,
    }
    (folder / "symbols.json").write_text(json.dumps(symbols, ensure_ascii=False, indent=1), encoding="utf-8")
    writer.close()
    return hours
