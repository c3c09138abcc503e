"""From a folder of Hugging Face files to a checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelkit.families.transformers_ctc.architectures import ARCHITECTURES
from modelkit.families.transformers_ctc.checkpoint import Checkpoint
from modelkit.families.transformers_ctc.mel import MelCheckpoint
from modelkit.families.transformers_ctc.waveform import WaveformCheckpoint
from modelkit.families.transformers_ctc.weights import load_extractor, load_network


def load_checkpoint(source: Path, config: Mapping[str, Any], adapter: Path | None = None) -> Checkpoint:
    """Load network and extractor of one of `ARCHITECTURES`.

    Args:
        config: the content of config.json.
        adapter: weights of one language, see `load_network`.

    Raises:
        SourceInvalid, FamilyUnsupported, WeightsUnsafe: see `modelkit.errors`.
    """
    architecture = ARCHITECTURES[config["model_type"]]
    extractor = load_extractor(source, architecture.extractor)
    network = load_network(source, config, architecture.network, adapter)
    if architecture.extractor == "SeamlessM4TFeatureExtractor":
        return MelCheckpoint(network, extractor)
    return WaveformCheckpoint(network, extractor)
