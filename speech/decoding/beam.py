"""CTC beam search over a lexicon with a word n-gram model.

Sources: A. Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs" (2014), for the search and the two weights; Y. Miao, M. Gowayyed, F. Metze, "EESEN" (ASRU
2015), for posteriors divided by priors.
"""

import copy
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from shrutlekh_contract.decoders import LANGUAGE_MODEL

from speech.decoding.confidence import LEAST_AGREEMENT, Calibration
from speech.decoding.greedy import NOTHING, Heard, PathReader, WordTimes
from speech.decoding.hot_trie import HotTrie
from speech.decoding.ngram_model import LANGUAGE_MODEL_FILE, LanguageModel
from speech.errors import ModelInvalid
from speech.model_folder import ModelFolder
from transcript.words import Word

KEPT = 8
"""Sets of hot-words whose decoders are kept: recordings of one batch bring the same ones."""

HYPOTHESES = 50
"""The best ones, which are asked whether they agree."""

NEAR = 3
"""Frames between the ends of one word in two hypotheses."""

_NEVER = -100.0


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """How sounds, words and language are weighed, and how many hypotheses are kept.

    A hypothesis scores the sum of log-probabilities of its path, each less `prior` times the logarithm of
    its token's prior, plus `alpha` times the language model's natural logarithm plus `beta` for each word.

    Attributes:
        alpha: weight of the language model.
        beta: bonus for a word.
        prior: exponent of the token priors; 0 leaves them out.
        beam: hypotheses kept after a frame.
        tokens: likeliest tokens of a frame that are followed.
        threshold: hypotheses worse than the best one by more are dropped (natural logarithm).
        priors: probability of each token by id, averaged over speech; empty when unknown.
    """

    alpha: float = 0.8
    beta: float = 0.0
    prior: float = 0.0
    beam: int = 300
    tokens: int = 20
    threshold: float = 16.0
    priors: tuple[float, ...] = ()

    @classmethod
    def of_model(cls, entries: Mapping[str, Any], vocabulary: int) -> "BeamSettings":
        """Settings from the entry `decoding` of model.json; what it does not name has its default.

        Raises:
            ModelInvalid: a value is none that the search can take, or there is not one prior a token.
        """
        default = cls()
        try:
            found = cls(
                alpha=float(entries.get("alpha", default.alpha)),
                beta=float(entries.get("beta", default.beta)),
                prior=float(entries.get("prior", default.prior)),
                beam=int(entries.get("beam", default.beam)),
                tokens=int(entries.get("tokens", default.tokens)),
                threshold=float(entries.get("threshold", default.threshold)),
                priors=tuple(float(p) for p in entries.get("priors", ())),
            )
        except (TypeError, ValueError) as error:
            raise ModelInvalid(f"'decoding' in model.json: {error}.") from error
        numbers = (found.alpha, found.beta, found.prior, found.threshold, *found.priors)
        if not all(map(math.isfinite, numbers)) or min((*found.priors, 0.0)) < 0.0:
            raise ModelInvalid("'decoding' in model.json: numbers must be finite and priors not negative.")
        if found.beam < 1 or found.tokens < 1 or found.threshold <= 0:
            raise ModelInvalid("'decoding' in model.json: beam, tokens and threshold must be above zero.")
        if found.priors and len(found.priors) != vocabulary:
            raise ModelInvalid(
                f"'decoding' in model.json: {len(found.priors)} priors for {vocabulary} tokens."
            )
        return found

    def offsets(self, vocabulary: int) -> npt.NDArray[np.float32]:
        """What is taken from the log-probabilities of each token, shape (vocabulary,)."""
        if not self.priors or not self.prior:
            return np.zeros(vocabulary, np.float32)
        # A token that training never heard must not win because it is rare.
        priors = np.maximum(np.array(self.priors, np.float64), 1e-4)
        return (self.prior * np.log(priors)).astype(np.float32)


def language_model_file(model: ModelFolder) -> Path:
    """Where the language model of a model folder is, if it has one."""
    return model.path / LANGUAGE_MODEL / LANGUAGE_MODEL_FILE


class BeamDecoder:
    """Beam search for one vocabulary; every word it finds is in the lexicon or a hot word.

    Args:
        tokens, blank_id, frame_stride, times: as `PathReader` takes them.
        language_model: loaded for the same tokens; may be shared between decoders.
        calibration: as `PathReader.words` takes it.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        blank_id: int,
        frame_stride: float,
        language_model: LanguageModel,
        settings: BeamSettings,
        times: WordTimes | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._reader = PathReader(tokens, blank_id, frame_stride, times)
        self._calibration = calibration
        self._offsets = settings.offsets(len(tokens))
        # A separator behind the last frame ends the last word, which may lack one.
        self._ending = np.full((1, len(tokens)), _NEVER, np.float32)
        self._ending[0, language_model.separator] = 0.0
        self._language_model = language_model  # which the decoder only points to
        self._settings = settings
        self._blank_id = blank_id
        self._hot: HotTrie | None = None
        self._decoder = self._made()
        self._preferring: OrderedDict[tuple[tuple[str, ...], float], BeamDecoder] = OrderedDict()

    @classmethod
    def of_model(cls, model: ModelFolder) -> "BeamDecoder":
        """The decoder of a model folder with a language model.

        Raises:
            ModelInvalid: it has none, or one that cannot be used.
            ImportError: as `LanguageModel`.
        """
        file = language_model_file(model)
        if not file.is_file():
            raise ModelInvalid(
                f"The model {model.name} has no {LANGUAGE_MODEL}/{file.name}, which beam search needs."
            )
        settings = BeamSettings.of_model(model.decoding, len(model.tokens))
        language_model = LanguageModel(file, model.tokens)
        return cls(
            model.tokens,
            model.blank_id,
            model.frame_stride,
            language_model,
            settings,
            WordTimes.of_model(model.decoding),
            Calibration.of_model(model.decoding, "beam"),
        )

    def _made(self) -> Any:
        """The decoder library's object for the trie at hand."""
        from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions

        settings, language_model, hot = self._settings, self._language_model, self._hot
        columns = 0 if hot is None else len(hot.bonuses)
        return LexiconDecoder(
            LexiconDecoderOptions(
                beam_size=settings.beam,
                beam_size_token=min(settings.tokens, language_model.vocabulary) + columns,
                beam_threshold=settings.threshold,
                lm_weight=settings.alpha * math.log(10.0),
                word_score=settings.beta,
                unk_score=-math.inf,
                sil_score=0.0,
                log_add=True,
                criterion_type=CriterionType.CTC,
            ),
            language_model.trie if hot is None else hot.trie,
            language_model.model,
            language_model.separator,
            self._blank_id,
            language_model.unknown,
            [],
            False,
        )

    def preferring(self, hotwords: Sequence[str], weight: float) -> "BeamDecoder":
        """A decoder that prefers `hotwords` where they could have been said; this one stays as it is.

        Takes 0.1 ms a hot word; the last few are kept. What the tokens cannot spell is left out, see
        `unheeded`.

        Args:
            hotwords: words or phrases, in the lexicon or not.
            weight: natural logarithm by which a hot word's score is raised.

        Raises:
            ValueError: the weight is not within 0 to `MAX_WEIGHT`.
        """
        key = (tuple(hotwords), weight)
        kept = self._preferring
        if key not in kept:
            made = copy.copy(self)
            made._hot = HotTrie(
                self._language_model, hotwords, weight, self._settings.alpha, self._settings.beta
            )
            made._decoder = made._made()
            made._preferring = OrderedDict()
            kept[key] = made
            if len(kept) > KEPT:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]

    def rarity(self, word: str) -> float:
        """Base-10 logarithm of a word's probability without a context; minus infinity outside the lexicon."""
        number = self._language_model.number(word)
        return -math.inf if number is None else self._language_model.unigram(number)

    @property
    def unheeded(self) -> tuple[str, ...]:
        """Hot words that the tokens cannot spell."""
        return () if self._hot is None else tuple(self._hot.unheeded)

    def hear(self, log_probs: npt.NDArray[np.float32]) -> Heard:
        """What is known of each word of the best hypothesis.

        Args:
            log_probs: natural logarithms of shape (frames, vocabulary).
        """
        if not len(log_probs):
            return NOTHING
        emissions = np.concatenate((log_probs - self._offsets, self._ending)).astype(np.float32)
        if self._hot is not None:
            emissions = self._hot.emissions(emissions)
        found = self._decoder.decode(emissions.ctypes.data, *emissions.shape)
        if not found:
            return NOTHING
        labels = np.array([hypothesis.words for hypothesis in found[:HYPOTHESES]])[:, 1 : len(log_probs) + 2]
        # Letters after the end of the last whole word are the beginning of one that never came.
        ends = np.flatnonzero(labels[0] >= 0)
        if not len(ends):
            return NOTHING
        path = np.array(found[0].tokens[1 : len(log_probs) + 1], np.intp)[: ends[-1] + 1]
        path[path >= len(self._offsets)] = self._language_model.separator
        heard = self._reader.hear(path, log_probs[: len(path)])
        scores = np.array([hypothesis.score for hypothesis in found[:HYPOTHESES]])
        # A phrase among the hot words is several words that the search knows as one.
        which = np.searchsorted(ends, heard.lasts)
        heard.features[:, 3] = self._language_model.scores(labels[0, ends].tolist())[which]
        heard.features[:, 4] = np.log(np.maximum(_agreement(labels, ends, scores), LEAST_AGREEMENT))[which]
        return heard

    def words(
        self, log_probs: npt.NDArray[np.float32], start: float = 0.0, end: float = np.inf
    ) -> tuple[Word, ...]:
        """Words of one utterance, with the times and confidences of the best path.

        Args:
            log_probs: natural logarithms of shape (frames, vocabulary).
            start: seconds at which the utterance begins in the recording.
            end: seconds at which it ends; no word lasts longer.
        """
        return self._reader.words(self.hear(log_probs), self._calibration, start, end)


def _agreement(
    labels: npt.NDArray[np.intp], ends: npt.NDArray[np.intp], scores: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Share of the hypotheses that end the first one's words within `NEAR` frames of where it does.

    F. Wessel et al., "Confidence Measures for Large Vocabulary Continuous Speech Recognition" (IEEE TSAP
    2001), on the n best instead of a lattice.

    Args:
        labels: words by hypothesis and frame, negative where none ends, shape (hypotheses, frames).
        ends: the frames where the first hypothesis ends a word, shape (words,).
        scores: natural logarithms, shape (hypotheses,).
    """
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    padded = np.pad(labels, ((0, 0), (NEAR, NEAR)), constant_values=-1)
    near = np.stack([padded[:, ends + shift] for shift in range(2 * NEAR + 1)])
    found: npt.NDArray[np.float64] = shares @ (near == labels[0, ends]).any(axis=0)
    return found
