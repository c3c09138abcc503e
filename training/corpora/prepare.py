"""Make the training store from manifests and texts: decode, synthesise with espeak-ng, phonemise, write."""

import json
import random
import signal
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
import soxr

from modelkit import read_manifest
from training import recipe
from training.corpora.store import StoreWriter
from training.synthesis.espeak import Espeak
from training.text.letters import READ_BY_LETTERS, ipa_of
from training.text.phones import inventory, phones_of
from training.text.sentences import drawn, forbidden_keys, is_forbidden
from training.text.spelling import BLANK, CHARACTERS, WORD_GAP, training_text
from training.text.transliteration import devanagari

_RAREST_PHONE = 50
"""A phone that occurs less often is an error of the phonemiser and gets no symbol."""
_MOST_PHONES_A_SECOND = 25
KOKORO_SEED, ESPEAK_SEED = 11, 7
"""Seed of the order of the sentences to speak."""


@dataclass(frozen=True, slots=True)
class Task:
    """A clip to make: decode `path`, or synthesise `text` with espeak-ng if `path` is empty."""

    path: str
    text: str
    language: str
    speaker: str
    source: str
    split: str
    kokoro: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    task: Task
    audio: np.ndarray
    phones: tuple[str, ...]

    @property
    def text(self) -> str:
        """Target text of the spelling part; "" if the clip is not spelt."""
        if self.task.language == "hi":
            return self.task.text
        return devanagari(self.task.text, self.task.language) or ""

    @property
    def group(self) -> str:
        """The clip's group in `recipe.SHARES`."""
        if not self.task.path:
            return "espeak"
        if self.task.kokoro:
            return "kokoro"
        if self.task.language == "hi":
            return "hindi"
        return "neighbours" if self.text else "languages"


def recorded_tasks(
    manifest: Path, held_out: Collection[str], forbidden: Collection[str], kokoro: bool = False
) -> list[Task]:
    """Return the usable clips of a manifest. Those of held-out speakers or books get the split ``held-out``.

    Raises:
        ValueError: a clip has no language.
    """
    tasks = []
    for entry in read_manifest(manifest):
        if not entry.language:
            raise ValueError(
                f"{manifest} has no language for {entry.path.name}: fill in its column language."
            )
        if entry.language not in recipe.SPOKEN_BY_ESPEAK | READ_BY_LETTERS:
            continue
        split = "held-out" if entry.speaker in held_out else "train"
        text = entry.text
        if entry.language == "hi":
            spelt = training_text(text)
            if spelt is None:
                continue
            text = spelt
            # Only sentences are forbidden: a single common word may well occur in an evaluation set.
            if split == "train" and " " in spelt and is_forbidden(spelt, forbidden):
                continue
        source = manifest.resolve().parent.name
        tasks.append(Task(str(entry.path), text, entry.language, entry.speaker, source, split, kokoro))
    return tasks


def espeak_tasks(sentences: Iterable[str], hours: float) -> list[Task]:
    """Make tasks for about `hours` of speech by espeak-ng."""
    tasks: list[Task] = []
    left = hours * 3600
    for sentence in sentences:
        left -= 0.45 + 0.064 * len(sentence)  # average duration over the voices
        if left < 0:
            break
        tasks.append(Task("", sentence, "hi", recipe.ESPEAK, recipe.ESPEAK, "train", seed=len(tasks)))
    return tasks


@dataclass(slots=True)
class Sources:
    """Manifests of recordings and of Kokoro's clips, texts to speak, and data that must not be trained on.

    Attributes:
        speech: folder of the recipe's texts; None if espeak-ng speaks none of them.
        texts: more files of sentences for espeak-ng.
        excluded: manifests of evaluation sets.
        held_out: speakers and books kept for evaluation.
    """

    speech: Path | None = None
    recorded: list[Path] = field(default_factory=list)
    kokoro: list[Path] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)
    excluded: list[Path] = field(default_factory=list)
    held_out: list[str] = field(default_factory=lambda: list(recipe.HELD_OUT_BOOKS))

    @classmethod
    def of_recipe(cls, speech: Path) -> "Sources":
        """Return the recipe's sources, below the folder `speech`."""
        return cls(
            speech,
            [speech / corpus.manifest for corpus in recipe.CORPORA if not corpus.spoken_by_kokoro],
            [speech / corpus.manifest for corpus in recipe.CORPORA if corpus.spoken_by_kokoro],
            excluded=[speech / name for name in recipe.EXCLUDED_MANIFESTS],
        )

    def forbidden(self) -> set[str]:
        """Return the keys of the evaluation sets' sentences and of the held-out books' pages."""
        held = [
            entry.text
            for path in self.recorded
            for entry in read_manifest(path)
            if entry.speaker in self.held_out and " " in entry.text
        ]
        return forbidden_keys(self.excluded, held)

    def spoken(self) -> list[str]:
        """Return the texts that Kokoro has already spoken."""
        return [entry.text for path in self.kokoro for entry in read_manifest(path)]

    def sentences(self, used: Iterable[str], seed: int) -> Iterable[str]:
        """Draw sentences to speak, in an order determined by `seed`, without forbidden or `used` ones."""
        styles = list(recipe.SPOKEN_TEXTS) if self.speech else []
        folder = self.speech or Path()
        if self.texts:
            own = tuple(str(path.resolve()) for path in self.texts)
            styles.append(recipe.TextStyle(own, 1.0, 16))
        return drawn(folder, styles, self.forbidden(), used, seed)


def gather(sources: Sources, hours_espeak: float) -> list[Task]:
    """Return all clips to make. No training clip contains a sentence of an evaluation set."""
    forbidden = sources.forbidden()
    tasks = []
    for path in sources.recorded:
        tasks += recorded_tasks(path, sources.held_out, forbidden)
    for path in sources.kokoro:
        tasks += recorded_tasks(path, sources.held_out, forbidden, kokoro=True)
    if hours_espeak > 0:
        tasks += espeak_tasks(sources.sentences((), ESPEAK_SEED), hours_espeak)
    return tasks


_ESPEAK: Espeak | None = None


def _spoken(task: Task, espeak: Espeak) -> tuple[np.ndarray, int, str]:
    """Speak a task's text in a voice determined by its seed. Returns float32 audio, sample rate, voice."""
    rng = random.Random(task.seed)
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
    """Decode or synthesise one clip and phonemise its text; None if it is unusable."""
    global _ESPEAK
    if _ESPEAK is None:
        _ESPEAK = Espeak()
    espeak = _ESPEAK
    if task.path:
        try:
            audio, rate = soundfile.read(task.path, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return None
        audio = audio.mean(axis=1)
    else:
        audio, rate, voice = _spoken(task, espeak)
        task = replace(task, speaker=voice)
    if rate != recipe.SAMPLE_RATE:
        audio = soxr.resample(audio, rate, recipe.SAMPLE_RATE, "MQ")
    seconds = len(audio) / recipe.SAMPLE_RATE
    if not recipe.MIN_SECONDS <= seconds <= recipe.MAX_SECONDS:
        return None
    phones = tuple(phones_of(_ipa(task, espeak), task.language))
    if not phones or len(phones) > _MOST_PHONES_A_SECOND * seconds:
        return None
    return Made(task, (np.clip(audio, -1, 1) * 32767).astype(np.int16), phones)


def prepare(
    folder: Path, tasks: list[Task], processes: int, advance: Callable[[], None] = lambda: None
) -> dict[str, dict[str, float]]:
    """Make every task's clip and write the store and its symbols.

    Returns:
        Hours of training data by group and source.
    """
    writer = StoreWriter(folder)
    hours: dict[str, dict[str, float]] = {}
    sequences = []
    ignore_interrupt = (signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to the children, too
    with get_context("spawn").Pool(processes, signal.signal, ignore_interrupt) as pool:
        for made in pool.imap(make, tasks, chunksize=32):
            advance()
            if made is None:
                continue
            task = made.task
            writer.add(
                made.audio,
                split=task.split,
                group=made.group,
                source=task.source,
                language=task.language,
                speaker=task.speaker,
                weight=recipe.LANGUAGE_WEIGHTS.get(task.language, 1.0),
                phones=" ".join(made.phones),
                text=made.text,
            )
            if task.split == "train":
                sequences.append(list(made.phones))
                by_source = hours.setdefault(made.group, {})
                more = len(made.audio) / recipe.SAMPLE_RATE / 3600
                by_source[task.source] = by_source.get(task.source, 0.0) + more
    least = min(_RAREST_PHONE, 1 + sum(map(len, sequences)) // 10_000)
    symbols = {
        "phones": [BLANK, *inventory(sequences, least)],
        "characters": [BLANK, WORD_GAP, *CHARACTERS],
        "hours": hours,
    }
    (folder / "symbols.json").write_text(json.dumps(symbols, ensure_ascii=False, indent=1), encoding="utf-8")
    writer.close()
    return hours
