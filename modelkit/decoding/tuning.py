"""Find the weights of beam search by random search on a dev set."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from shrutlekh_contract.decoders import BEAM

from modelkit.description import read_description, write_description
from modelkit.measuring.manifest import Entry
from modelkit.measuring.scoring import character_errors, word_errors
from modelkit.measuring.utterances import utterances_of
from speech import Engine, ModelFolder
from speech.decoding import (
    LANGUAGE_MODEL_FILE,
    BeamDecoder,
    BeamSettings,
    Decoder,
    GreedyDecoder,
    LanguageModel,
)
from speech.recognisers import LogProbs

Counts = npt.NDArray[np.int64]

RANGES = {"alpha": (0.2, 3.0), "beta": (-2.0, 3.0), "prior": (0.0, 1.0)}


def posteriors(engine: Engine, entries: Iterable[Entry], advance: Callable[[], None]) -> list[list[LogProbs]]:
    """Log-probabilities, shape (frames, tokens), of each utterance of each recording.

    Raises:
        SpeechError: a recording cannot be read.
    """
    return [
        [utterance.emission for utterance in utterances]
        for utterances in utterances_of(engine, entries, advance)
    ]


def token_priors(spoken: Iterable[Sequence[LogProbs]]) -> tuple[float, ...]:
    """Return the mean probability of each token over all frames; () if there are no frames."""
    frames = [np.exp(chunk) for chunks in spoken for chunk in chunks if len(chunk)]
    if not frames:
        return ()
    return tuple(round(float(p), 6) for p in np.concatenate(frames).mean(axis=0, dtype=np.float64))


def install_language_model(source: Path, folder: Path) -> None:
    """Copy a folder with a language model into a model folder as lm/, replacing an older one.

    Raises:
        FileNotFoundError: `source` has no language model.
    """
    if not (source / LANGUAGE_MODEL_FILE).is_file():
        raise FileNotFoundError(f"{source} has no {LANGUAGE_MODEL_FILE}.")
    target = folder / "lm"
    if target.exists() and target.samefile(source):
        return
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    write_description(folder, read_description(folder))


class Search:
    """Random search: the first steps draw from all of `RANGES`, later ones around the best settings.

    The best settings have the lowest sum of word and character error rate. The character error rate
    distinguishes settings with equal word error rates, because there are four times as many characters.
    """

    EXPLORING = 30
    """Number of first steps, which do not depend on earlier results."""

    def __init__(
        self,
        folder: ModelFolder,
        entries: Sequence[Entry],
        heard: Sequence[Sequence[LogProbs]],
        priors: tuple[float, ...],
        beam: int,
        seed: int = 0,
        threshold: float = BeamSettings().threshold,
    ) -> None:
        """
        Args:
            heard: `posteriors` of the entries.
            priors: `token_priors`, or () to ignore priors.
            beam, threshold: see `BeamSettings`.
            seed: seed of the search; the same seed tries the same settings.
        """
        self._folder, self._entries, self._heard = folder, entries, heard
        self._language_model = LanguageModel(folder.path / "lm" / LANGUAGE_MODEL_FILE, folder.tokens)
        self._rng = np.random.default_rng(seed)
        self._base = BeamSettings(priors=priors, beam=beam, threshold=threshold)
        self._tried: list[BeamSettings] = []
        self._errors: list[Counts] = []
        self._greedy = self._score(GreedyDecoder(folder.tokens, folder.blank_id, folder.frame_stride))

    def step(self) -> None:
        """Try one more setting."""
        settings = self._draw()
        folder = self._folder
        decoder = BeamDecoder(
            folder.tokens, folder.blank_id, folder.frame_stride, self._language_model, settings
        )
        self._tried.append(settings)
        self._errors.append(self._score(decoder))

    def _draw(self) -> BeamSettings:
        alpha, beta, prior = (self._value(name) for name in RANGES)
        return replace(self._base, alpha=alpha, beta=beta, prior=prior if self._base.priors else 0.0)

    def _value(self, name: str) -> float:
        low, high = RANGES[name]
        if len(self._tried) < self.EXPLORING:
            value = self._rng.uniform(low, high)
        else:
            value = self._rng.normal(getattr(self.best, name), (high - low) / 10)
        return round(float(np.clip(value, low, high)), 2)

    def _score(self, decoder: Decoder[LogProbs]) -> Counts:
        """Count word errors, words, character errors and characters by recording: shape (recordings, 4)."""
        rows = []
        for entry, chunks in zip(self._entries, self._heard, strict=True):
            text = " ".join(word.text for chunk in chunks for word in decoder.words(chunk))
            words, characters = word_errors(entry.text, text), character_errors(entry.text, text)
            rows.append(
                (words.errors, words.reference_length, characters.errors, characters.reference_length)
            )
        return np.array(rows, np.int64)

    @property
    def best(self) -> BeamSettings:
        """Return the best settings tried so far; of equals, the first."""
        return self._tried[self._best_for(np.ones(len(self._entries), bool))]

    def _best_for(self, recordings: npt.NDArray[np.bool_]) -> int:
        return int(np.argmin([sum(_rates(errors[recordings])) for errors in self._errors]))

    def found(self, name: str) -> dict[str, Any]:
        """Return the figures of the search for model.json.

        `cross_validated_wer` decodes each speaker with the settings that are best for the others, so it does
        not include the gain of tuning on the set itself.
        """
        speakers = np.array([entry.speaker for entry in self._entries])
        fair = np.zeros_like(self._greedy)
        for speaker in set(speakers.tolist()):
            own = speakers == speaker
            fair[own] = self._errors[self._best_for(~own if not own.all() else own)][own]
        wer, cer = _rates(self._errors[self._best_for(np.ones(len(speakers), bool))])
        return {
            "set": name,
            "recordings": len(speakers),
            "trials": len(self._tried),
            "wer": round(wer, 4),
            "cer": round(cer, 4),
            "greedy_wer": round(_rates(self._greedy)[0], 4),
            "cross_validated_wer": round(_rates(fair)[0], 4),
        }


def _rates(errors: Counts) -> tuple[float, float]:
    """Return word and character error rate of the rows of `Search._score`."""
    words_wrong, words, characters_wrong, characters = errors.sum(axis=0).tolist()
    return words_wrong / max(words, 1), characters_wrong / max(characters, 1)


def record_decoding(folder: Path, settings: BeamSettings, tuned: dict[str, Any]) -> None:
    """Record settings in model.json as `decoding` and make beam search the model's default.

    Entries that are not tuned here, such as times and confidence, are kept.
    """
    entries = read_description(folder)
    decoding = {**entries.get("decoding", {}), "decoder": BEAM, **asdict(settings), "tuned": tuned}
    write_description(folder, {**entries, "decoding": decoding})
