"""The family of NeMo's Conformer and FastConformer with a CTC head, from `.nemo` archives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from modelkit.errors import ExtraMissing, SourceInvalid
from modelkit.families.nemo.config import ConformerConfig, ctc_head, read_config, section, trained_seconds
from modelkit.families.nemo.vocabulary import read_vocabulary
from modelkit.families.protocol import Listing, Wishes
from modelkit.features.nemo import NemoFeatures
from modelkit.graphs.parity import check_parity
from modelkit.sources.archives import extract_members

ARCHIVE: Final = ".nemo"
CONFIG: Final = "model_config.yaml"
WEIGHTS: Final = "model_weights.ckpt"
TOKENIZERS: Final = (".model", "vocab.txt", ".vocab")
LIMIT_BYTES: Final = 32 * 2**30
"""Largest archive, unpacked."""

MAX_SEGMENT_SECONDS: Final = 20.0
"""Longest audio at once, where the configuration does not tell what the model was trained on."""


class NemoCtc:
    """See `modelkit.families.protocol.Family`."""

    name = "NeMo Conformer and FastConformer (CTC)"

    def wanted(self, listing: Listing) -> Sequence[str] | None:
        """Name the one archive, or the files of an unpacked one.

        Raises:
            SourceInvalid: there are several archives.
        """
        if CONFIG in listing.sizes and WEIGHTS in listing.sizes:
            return [CONFIG, WEIGHTS, *(name for name in listing.sizes if name.endswith(TOKENIZERS))]
        archives = [name for name in listing.sizes if name.endswith(ARCHIVE)]
        if len(archives) > 1:
            raise SourceInvalid(
                f"The source has several archives: {', '.join(sorted(archives))}. "
                "Download one and add the file."
            )
        return archives or None

    def convert(self, source: Path, target: Path, wishes: Wishes) -> dict[str, Any]:
        """See `Family.convert`.

        Raises:
            ExtraMissing: torch, PyYAML or SentencePiece is not installed.
            ArchiveUnsafe, SourceInvalid, FamilyUnsupported, WeightsUnsafe, ConversionWrong, DiskFull: see
                `modelkit.errors`.
        """
        files = _unpacked(source)
        if CONFIG not in files or WEIGHTS not in files:
            raise SourceInvalid(f"The archive has no {CONFIG if WEIGHTS in files else WEIGHTS}.")
        config = read_config(files[CONFIG])
        head, shape = ctc_head(config), ConformerConfig.from_config(config)
        features = NemoFeatures.from_config(section(config, "preprocessor"))
        if features.mels != shape.bands:
            raise SourceInvalid(
                f"The encoder takes {shape.bands} features, and {features.mels} are computed."
            )
        vocabulary = read_vocabulary(config, files, wishes.language)
        try:
            from modelkit.families.nemo.network import NemoNetwork
        except ModuleNotFoundError as error:
            raise ExtraMissing(
                f"Converting this model needs {error.name}: pip install 'shrutlekh[convert]'."
            ) from error
        wishes.tell("Loading the weights.")
        network = NemoNetwork.load(files[WEIGHTS], head, shape, features, vocabulary)
        vocabulary.write(target / "tokens.txt")
        wishes.tell("Exporting the network to ONNX.")
        network.export(target / "model.onnx")
        wishes.tell("Comparing the graph with the original network on waveforms of 0.1 to 30 seconds.")
        conversion = check_parity(
            network.pipeline, target, sample_rate=features.sample_rate, min_samples=features.hop
        )
        return {
            "family": "ctc",
            "language": wishes.language,
            "sample_rate": features.sample_rate,
            "frame_stride": shape.stride * features.hop / features.sample_rate,
            "blank_id": len(vocabulary.tokens) - 1,
            "min_samples": features.hop,
            "max_segment_seconds": min(trained_seconds(config, MAX_SEGMENT_SECONDS), 60.0),
            "batched": True,
            "conversion": conversion,
        }


def _unpacked(source: Path) -> dict[str, Path]:
    """Return the files of the source by name, or those of its archive, which is extracted into the source."""
    archives = sorted(source.rglob(f"*{ARCHIVE}"))
    if not archives:
        return {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file()}

    def is_wanted(name: str) -> bool:
        return name in (CONFIG, WEIGHTS) or name.endswith(TOKENIZERS)

    return extract_members(archives[0], source / "unpacked", is_wanted, LIMIT_BYTES)


FAMILY = NemoCtc()
