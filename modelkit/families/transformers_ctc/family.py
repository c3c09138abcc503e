"""The family of wav2vec 2.0, HuBERT, WavLM and w2v-BERT 2.0 checkpoints with a CTC head."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from modelkit.errors import ExtraMissing, FamilyUnsupported, SourceInvalid
from modelkit.families.protocol import Listing, Wishes
from modelkit.families.transformers_ctc.architectures import ARCHITECTURES
from modelkit.families.transformers_ctc.vocabulary import TOKENIZER_FILES, VOCABULARY, read_vocabulary
from modelkit.graphs.parity import check_parity
from modelkit.sources.pickled import weight_names

EXTRACTOR_FILES: Final = ("preprocessor_config.json", "processor_config.json")
"""Settings of the feature extractor: from transformers 4, and from transformers 5."""

LM_PROCESSOR: Final = "ProcessorWithLM"

MAX_SEGMENT_SECONDS: Final = 20.0
"""Few utterances of fine-tuning corpora are longer, and attention's memory grows with the square."""

ADAPTER: Final = re.compile(r"adapter\.[\w-]+\.safetensors")
HINDI: Final = "hin"
LANGUAGE_CODES: Final[Mapping[str, str]] = {"hi": HINDI}
"""ISO 639-3 by BCP 47. MMS names its adapters by ISO 639-3."""


class TransformersCtc:
    """See `modelkit.families.protocol.Family`."""

    name = "wav2vec 2.0, HuBERT, WavLM, w2v-BERT 2.0 (CTC)"

    def wanted(self, listing: Listing) -> Sequence[str] | None:
        """Name the config, the tokenizer, the processor, and one set of weights, preferably safetensors.

        Raises:
            FamilyUnsupported: there is no CTC head, or only weights of another framework.
            SourceInvalid: the tokenizer or the processor is missing.
        """
        kind = listing.config.get("model_type")
        if not isinstance(kind, str) or kind not in ARCHITECTURES:
            return None
        network = ARCHITECTURES[kind].network
        networks = listing.config.get("architectures")
        if isinstance(networks, list) and network not in networks:
            raise FamilyUnsupported(
                f"This {kind} is a {', '.join(map(str, networks))}. Only a {network} writes text: "
                "choose a checkpoint that was fine-tuned for speech recognition."
            )
        extractor = [name for name in EXTRACTOR_FILES if name in listing.sizes]
        if VOCABULARY not in listing.sizes or not extractor:
            absent = VOCABULARY if extractor else EXTRACTOR_FILES[0]
            raise SourceInvalid(f"The checkpoint has no {absent}, so its pipeline is unknown.")
        weights = weight_names(listing.sizes)
        if not weights:
            raise FamilyUnsupported(
                "The checkpoint has neither model.safetensors nor pytorch_model.bin. Weights of other "
                "frameworks cannot be converted."
            )
        tokenizer = [name for name in TOKENIZER_FILES if name in listing.sizes]
        return ["config.json", *extractor, *tokenizer, *weights, *_adapters(listing)]

    def convert(self, source: Path, target: Path, wishes: Wishes) -> dict[str, Any]:
        """See `Family.convert`.

        Raises:
            ExtraMissing: torch or transformers is not installed.
            SourceInvalid, FamilyUnsupported, WeightsUnsafe, ConversionWrong: see `modelkit.errors`.
        """
        try:
            from modelkit.families.transformers_ctc.loading import load_checkpoint
        except ModuleNotFoundError as error:
            raise ExtraMissing(
                f"This conversion needs {error.name}. Install it with: pip install 'shrutlekh[convert]'"
            ) from error
        config = _read_config(source / "config.json")
        language = LANGUAGE_CODES.get(wishes.language, wishes.language)
        wishes.tell("Loading the checkpoint's weights")
        checkpoint = load_checkpoint(source, config, _adapter(source, language))
        vocabulary = read_vocabulary(source, checkpoint.outputs, language)
        vocabulary.write(target / "tokens.txt")
        if _has_language_model(source):
            wishes.tell("The checkpoint's n-gram language model is left out: text is decoded without it")
        wishes.tell("Exporting the network to ONNX")
        try:
            checkpoint.export(target / "model.onnx")
        except RuntimeError as error:  # of the exporter, among them operators that ONNX lacks
            raise FamilyUnsupported(f"PyTorch cannot export this variant of the network: {error}") from error
        wishes.tell("Comparing the graph with the original pipeline on waveforms of 0.1 to 30 seconds")
        conversion = check_parity(
            checkpoint.pipeline,
            target,
            sample_rate=checkpoint.sample_rate,
            min_samples=checkpoint.min_samples,
            batched=checkpoint.batched,
        )
        return {
            "family": "ctc",
            "language": wishes.language,
            "sample_rate": checkpoint.sample_rate,
            "frame_stride": checkpoint.frame_stride,
            "blank_id": vocabulary.blank_id,
            "min_samples": checkpoint.min_samples,
            "max_segment_seconds": MAX_SEGMENT_SECONDS,
            "batched": checkpoint.batched,
            "conversion": conversion,
        }


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceInvalid(f"{path.name} cannot be read: {error}.") from error
    if not isinstance(config, dict) or str(config.get("model_type")) not in ARCHITECTURES:
        raise SourceInvalid(f"{path.name} must have one of these as model_type: {', '.join(ARCHITECTURES)}.")
    return config


def _has_language_model(source: Path) -> bool:
    """Whether the original pipeline decodes with pyctcdecode."""
    settings = [source / name for name in (*EXTRACTOR_FILES, "tokenizer_config.json")]
    return any(LM_PROCESSOR in path.read_text("utf-8", "replace") for path in settings if path.is_file())


def _adapters(listing: Listing) -> list[str]:
    """Weights of one language beside the network's, as MMS has them."""
    if not listing.config.get("adapter_attn_dim"):
        return []
    names = [name for name in listing.sizes if ADAPTER.fullmatch(name)]
    chosen = names if len(names) < 2 else [name for name in names if name == f"adapter.{HINDI}.safetensors"]
    if names and not chosen:
        raise FamilyUnsupported(
            f"The checkpoint has adapters for {len(names)} languages, none of them Hindi ({HINDI})."
        )
    return chosen


def _adapter(source: Path, language: str) -> Path | None:
    """The adapter to load: of the language, or the only one."""
    found = {path.name: path for path in source.iterdir() if ADAPTER.fullmatch(path.name)}
    if len(found) > 1 and f"adapter.{language}.safetensors" not in found:
        raise FamilyUnsupported(f"The checkpoint has no adapter for the language {language!r}.")
    return found.get(f"adapter.{language}.safetensors") or next(iter(found.values()), None)
