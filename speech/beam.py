"""CTC beam search over a lexicon with a word n-gram model.

Sources: A. Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs" (2014), for the search and the two weights; Y. Miao, M. Gowayyed, F. Metze, "EESEN" (ASRU
2015), for posteriors divided by priors.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from speech.decode import PathReader
from speech.errors import ModelInvalid
from speech.language_model import LanguageModel
from transcript.words import Word

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
    beam: int = 100
    tokens: int = 20
    threshold: float = 8.0
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


class BeamDecoder:
    """Beam search for one vocabulary; every word it finds is in the lexicon.

    Args:
        tokens, blank_id, frame_stride: as `PathReader` takes them.
        language_model: loaded for the same tokens; may be shared between decoders.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        blank_id: int,
        frame_stride: float,
        language_model: LanguageModel,
        settings: BeamSettings,
    ) -> None:
        from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions

        self._reader = PathReader(tokens, blank_id, frame_stride)
        self._offsets = settings.offsets(len(tokens))
        # A separator behind the last frame ends the last word, which may lack one.
        self._ending = np.full((1, len(tokens)), _NEVER, np.float32)
        self._ending[0, language_model.separator] = 0.0
        self._language_model = language_model  # which the decoder only points to
        self._decoder = LexiconDecoder(
            LexiconDecoderOptions(
                beam_size=settings.beam,
                beam_size_token=min(settings.tokens, len(tokens)),
                beam_threshold=settings.threshold,
                lm_weight=settings.alpha * math.log(10.0),
                word_score=settings.beta,
                unk_score=-math.inf,
                sil_score=0.0,
                log_add=True,
                criterion_type=CriterionType.CTC,
            ),
            language_model.trie,
            language_model.model,
            language_model.separator,
            blank_id,
            language_model.unknown,
            [],
            False,
        )

    def words(
        self, log_probs: npt.NDArray[np.float32], start: float = 0.0, end: float = np.inf
    ) -> tuple[Word, ...]:
        """Words of one utterance. Times and confidences are those of the best path, see `PathReader.read`.

        Args:
            log_probs: natural logarithms of shape (frames, vocabulary).
            start: seconds at which the utterance begins in the recording.
            end: seconds at which it ends; no word lasts longer.
        """
        if not len(log_probs):
            return ()
        emissions = np.concatenate((log_probs - self._offsets, self._ending)).astype(np.float32)
        found = self._decoder.decode(emissions.ctypes.data, *emissions.shape)
        if not found:
            return ()
        complete = sum(word >= 0 for word in found[0].words)
        path = np.array(found[0].tokens[1 : len(log_probs) + 1], np.intp)
        return self._reader.read(path, log_probs, start, end)[:complete]
