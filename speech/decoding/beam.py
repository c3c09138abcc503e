"""CTC beam search over a lexicon with a word n-gram model.

Sources: A. Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs" (2014), for the search and its two weights; Y. Miao, M. Gowayyed, F. Metze, "EESEN" (ASRU
2015), for dividing posteriors by priors.
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
from shrutlekh_contract.decoders import BEAM, LANGUAGE_MODEL

from speech.decoding.confidence import LEAST_AGREEMENT, Calibration
from speech.decoding.greedy import PathReader
from speech.decoding.heard import NOTHING, Heard
from speech.decoding.hot_trie import HotTrie
from speech.decoding.ngram_model import LANGUAGE_MODEL_FILE, LanguageModel
from speech.decoding.plausibility import Plausibility
from speech.decoding.word_times import WordTimes
from speech.errors import ModelInvalid
from speech.model_folder import ModelFolder
from transcript.words import Word

KEPT = 8
"""Size of the cache of decoders by hot-words: the recordings of a batch usually share theirs."""

HYPOTHESES = 50
"""How many of the best hypotheses are compared to compute a word's agreement."""

NEAR = 3
"""Most frames between the ends of a word in two hypotheses for them to agree on it."""

_NEVER = -100.0


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """Weights and limits of the beam search.

    The score of a hypothesis is the sum of the log-probabilities along its path, each minus `prior` times the
    log of its token's prior, plus `alpha` times the language model's log-probability, plus `beta` per word.
    All logarithms are natural.

    Attributes:
        alpha: weight of the language model.
        beta: bonus per word.
        prior: exponent of the token priors; 0 ignores them.
        beam: hypotheses kept per frame.
        tokens: most probable tokens per frame that are expanded.
        threshold: hypotheses that score worse than the best one by more than this are dropped.
        priors: mean probability of each token over speech, by token id; empty if unknown.
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
        """Read the settings from the entry `decoding` of model.json. Missing members keep their defaults.

        Args:
            entries: the entry.
            vocabulary: number of tokens.

        Raises:
            ModelInvalid: a value is invalid, or the number of priors differs from that of tokens.
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
        """Return what to subtract from the log-probabilities of each token, shape (vocabulary,)."""
        if not self.priors or not self.prior:
            return np.zeros(vocabulary, np.float32)
        # The floor keeps a token that never occurs in training from winning because of its tiny prior.
        priors = np.maximum(np.array(self.priors, np.float64), 1e-4)
        return (self.prior * np.log(priors)).astype(np.float32)


def language_model_file(model: ModelFolder) -> Path:
    """Path of the model folder's language model, which beam search needs. The file may be missing."""
    return model.path / LANGUAGE_MODEL / LANGUAGE_MODEL_FILE


class BeamDecoder:
    """Beam search for one vocabulary. It outputs only words of the lexicon and hot-words.

    Args:
        tokens, blank_id, frame_stride, times: see `PathReader`.
        language_model: loaded for the same tokens; decoders may share it.
        settings: weights and limits of the search.
        calibration: see `PathReader.words`.
        plausibility: see `Decoder`. None writes all but improbable repetitions.
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
        plausibility: Plausibility | None = None,
    ) -> None:
        self.plausibility = plausibility or Plausibility()
        self._reader = PathReader(tokens, blank_id, frame_stride, times)
        self._calibration = calibration
        self._offsets = settings.offsets(len(tokens))
        # A separator after the last frame ends the last word, which may lack one.
        self._ending = np.full((1, len(tokens)), _NEVER, np.float32)
        self._ending[0, language_model.separator] = 0.0
        self._language_model = language_model  # also keeps it alive: the decoder holds only a pointer
        self._settings = settings
        self._blank_id = blank_id
        self._hot: HotTrie | None = None
        self._decoder = self._made()
        self._preferring: OrderedDict[tuple[tuple[str, ...], float], BeamDecoder] = OrderedDict()

    @classmethod
    def of_model(cls, model: ModelFolder) -> "BeamDecoder":
        """Make the decoder of a model folder.

        Raises:
            ModelInvalid: the folder has no language model, or an unusable one.
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
            Calibration.of_model(model.decoding, BEAM),
            Plausibility.of_model(model.decoding, BEAM),
        )

    def _made(self) -> Any:
        """Make the decoder library's object for the current trie."""
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
        """Return a decoder that favours `hotwords`. This decoder is unchanged.

        Takes 0.1 ms per hot-word. The most recent decoders are cached. Hot-words that the tokens cannot spell
        are ignored and listed in `unheeded`.

        Args:
            hotwords: words or phrases, in the lexicon or not.
            weight: bonus on the score of each word (natural logarithm).

        Raises:
            ValueError: the weight is not in 0..`MAX_WEIGHT`.
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
        """Return the base-10 log of a word's unigram probability; minus infinity outside the lexicon."""
        number = self._language_model.number(word)
        return -math.inf if number is None else self._language_model.unigram(number)

    @property
    def unheeded(self) -> tuple[str, ...]:
        """Hot-words that were ignored because the tokens cannot spell them."""
        return () if self._hot is None else tuple(self._hot.unheeded)

    def hear(self, log_probs: npt.NDArray[np.float32]) -> Heard:
        """Decode an utterance: the words of the best hypothesis, with the features for their confidences.

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
        best = found[:HYPOTHESES]
        labels = np.array([hypothesis.words for hypothesis in best], np.int32)[:, 1 : len(log_probs) + 2]
        # Tokens after the last complete word are the beginning of one that was never completed. Drop them.
        ends = np.flatnonzero(labels[0] >= 0)
        if not len(ends):
            return NOTHING
        path = np.array(best[0].tokens[1 : len(log_probs) + 1], np.intp)[: ends[-1] + 1]
        path[path >= len(self._offsets)] = self._language_model.separator
        heard = self._reader.hear(path, log_probs[: len(path)])
        scores = np.array([hypothesis.score for hypothesis in best])
        # The search treats a hot phrase as a single word, so its words share that word's features.
        which = np.searchsorted(ends, heard.lasts)
        heard.features[:, 3] = self._language_model.scores(labels[0, ends].tolist())[which]
        heard.features[:, 4] = np.log(np.maximum(_agreement(labels, ends, scores), LEAST_AGREEMENT))[which]
        return heard

    def timed(self, heard: Heard, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        """Return what `hear` found, or a part of it, with times and confidences.

        Args:
            start: start of the utterance in the recording, in seconds.
            end: its end in seconds. Words are cut to it.
        """
        return self._reader.words(heard, self._calibration, start, end)

    def words(
        self, log_probs: npt.NDArray[np.float32], start: float = 0.0, end: float = np.inf
    ) -> tuple[Word, ...]:
        """Decode an utterance to all its words, plausible or not, with times and confidences.

        Args:
            log_probs: natural logarithms of shape (frames, vocabulary).
            start, end: see `timed`.
        """
        return self.timed(self.hear(log_probs), start, end)


def _agreement(
    labels: npt.NDArray[np.int32], ends: npt.NDArray[np.intp], scores: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Compute the agreement on each word of the best hypothesis, shape (words,).

    It is the probability mass of the hypotheses that end the same word within `NEAR` frames. Source: F.
    Wessel et al., "Confidence Measures for Large Vocabulary Continuous Speech Recognition" (IEEE TSAP 2001),
    here with an n-best list instead of a lattice.

    Args:
        labels: word that ends in each frame of each hypothesis or a negative number, (hypotheses, frames).
        ends: frames where the best hypothesis ends a word, shape (words,).
        scores: natural logarithms, shape (hypotheses,).
    """
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    hypotheses, frames = labels.shape
    padded = np.full((hypotheses, frames + 2 * NEAR), -1, np.int32)
    padded[:, NEAR : NEAR + frames] = labels
    near = padded[:, ends[:, None] + np.arange(2 * NEAR + 1)]
    found: npt.NDArray[np.float64] = shares @ (near == labels[0, ends, None]).any(axis=2)
    return found
