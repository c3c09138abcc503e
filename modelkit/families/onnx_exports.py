"""CTC models that are ONNX graphs already, in the layouts of onnx-asr and sherpa-onnx.

onnx-asr: `model.onnx`, `vocab.txt`, and `config.json` with `model_type` and `subsampling_factor`; the graph
takes NeMo's log-mels and their lengths. sherpa-onnx: a graph of any name with metadata, and `tokens.txt`; it
takes the same, Kaldi's log-mels and their lengths, or a waveform. As onnx-asr 0.12 and sherpa-onnx 2.0 read
them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import onnx

from modelkit.errors import FamilyUnsupported, SourceInvalid
from modelkit.families.ctc_exports import Input, Signature, is_quantised, with_waveforms
from modelkit.families.probing import frame_stride, shortest_input
from modelkit.families.protocol import Listing, Wishes
from modelkit.features.joining import with_features
from modelkit.features.nemo import NemoFeatures
from speech import ModelInvalid, read_tokens

CONFIG: Final = "config.json"
TOKENS: Final = ("vocab.txt", "tokens.txt")
BLANK: Final = "<blk>"
BLANKS: Final = (BLANK, "<blank>", "<pad>")
"""Names of CTC's blank. Without one of them it is the last token, as in NeMo."""

CTC_TYPES: Final = ("nemo-conformer-ctc",)
"""Values of `model_type` in config.json."""

SUBSAMPLING: Final = 8
"""What onnx-asr takes for `subsampling_factor` where config.json has none."""

SAMPLE_RATE: Final = 16_000
MAX_SEGMENT_SECONDS: Final = 20.0


class OnnxExports:
    """A folder with one CTC graph and its tokens."""

    name = "ONNX export in the layout of onnx-asr or sherpa-onnx, CTC"

    def wanted(self, listing: Listing) -> Sequence[str] | None:
        graphs = [name for name in listing.sizes if name.endswith(".onnx") and "/" not in name]
        tokens = [name for name in TOKENS if name in listing.sizes]
        if not graphs or not tokens:
            return None
        if any(part in name for name in graphs for part in ("decoder", "joiner")):
            raise FamilyUnsupported(
                "This export is a transducer or has a decoder. Only CTC exports can be added."
            )
        kind = listing.config.get("model_type")
        if kind is not None and kind not in CTC_TYPES:
            raise FamilyUnsupported(
                f"{CONFIG} names the model type {kind!r}; there is {', '.join(CTC_TYPES)}."
            )
        graph = _choose(graphs)
        beside = (f"{graph}.data", f"{graph}_data", CONFIG)
        return [graph, tokens[0], *(name for name in beside if name in listing.sizes)]

    def convert(self, source: Path, target: Path, wishes: Wishes) -> dict[str, Any]:
        graph = _choose([path.name for path in source.glob("*.onnx")])
        try:
            model = onnx.load(source / graph)
            tokens = read_tokens(next(source / name for name in TOKENS if (source / name).is_file()))
        except (ModelInvalid, OSError, ValueError) as error:
            raise SourceInvalid(str(error)) from error
        except Exception as error:  # protobuf keeps its exception types private
            raise SourceInvalid(f"{graph} is not an ONNX graph: {error}") from error
        signature = Signature.of(model)
        if signature.tokens is not None and signature.tokens != len(tokens):
            raise SourceInvalid(f"{graph} has {signature.tokens} outputs for {len(tokens)} tokens.")
        wishes.tell("Putting the features into the graph.")
        # sherpa-onnx scales what it gives to a graph that takes nothing but waveforms.
        scales = (source / "tokens.txt").is_file() and signature.lengths is None
        made = _with_features(model, signature, _factor(model, signature, source), scales=scales)
        onnx.save(made, target / "model.onnx")
        blank = _blank_of(tokens)
        lines = [f"{BLANK if number == blank else token} {number}\n" for number, token in enumerate(tokens)]
        (target / "tokens.txt").write_text("".join(lines), encoding="utf-8")
        return {
            "family": "ctc",
            "language": wishes.language,
            "sample_rate": SAMPLE_RATE,
            "frame_stride": frame_stride(target / "model.onnx", SAMPLE_RATE),
            "min_samples": shortest_input(target / "model.onnx", SAMPLE_RATE),
            "max_segment_seconds": MAX_SEGMENT_SECONDS,
            "blank_id": blank,
            # What has no lengths takes padding for audio; what is quantised scales by the whole batch.
            "batched": signature.lengths is not None and not is_quantised(model),
            "conversion": {"graph": graph, "input": signature.kind.value},
        }


def _choose(graphs: Sequence[str]) -> str:
    """Choose the graph of a folder that may hold the same model in several precisions.

    Raises:
        SourceInvalid: it is not clear which one to use.
    """
    exact = [name for name in graphs if not any(mark in name for mark in ("int8", "fp16", "uint8", "q4"))]
    for candidates in (["model.onnx"] if "model.onnx" in graphs else [], exact, list(graphs)):
        if len(candidates) == 1:
            return candidates[0]
    raise SourceInvalid(f"Which graph is the model? There are {', '.join(sorted(graphs))}.")


def _factor(model: onnx.ModelProto, signature: Signature, source: Path) -> int | None:
    """Input steps for each output frame: from config.json, or from the metadata of the graph."""
    notes: Mapping[str, Any] = {entry.key: entry.value for entry in model.metadata_props}
    if (source / CONFIG).is_file():
        try:
            notes = {**notes, **json.loads((source / CONFIG).read_text(encoding="utf-8"))}
        except (ValueError, TypeError) as error:
            raise SourceInvalid(f"{CONFIG} is not a JSON object: {error}.") from error
    named = notes.get("subsampling_factor")
    if named is None:
        return SUBSAMPLING if signature.kind is Input.MELS_FIRST else None
    try:
        factor = int(named)
    except (TypeError, ValueError):
        factor = 0
    if factor < 1:
        raise SourceInvalid(f"'subsampling_factor' must be a positive whole number, not {named!r}.")
    return factor


def _with_features(
    model: onnx.ModelProto, signature: Signature, factor: int | None, *, scales: bool
) -> onnx.ModelProto:
    if signature.kind is Input.WAVEFORM:
        return with_waveforms(model, signature, factor, scales=scales)
    if signature.kind is Input.MELS_LAST:
        raise FamilyUnsupported(
            "The graph takes Kaldi's features, as zipformer exports do. These are not known."
        )
    features = NemoFeatures(mels=signature.mels).graph()
    return with_features(
        features,
        model,
        features_input=signature.samples,
        lengths_input=signature.lengths,
        scores=signature.log_probs,
        frame_lengths=signature.frames or factor or 1,
        log_softmax=True,
    )


def _blank_of(tokens: Sequence[str]) -> int:
    return next((tokens.index(name) for name in BLANKS if name in tokens), len(tokens) - 1)


FAMILY = OnnxExports()
