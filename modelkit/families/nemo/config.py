"""What a model_config.yaml says about a network, and which variants cannot be converted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from modelkit.errors import ExtraMissing, FamilyUnsupported, SourceInvalid

LIMIT_BYTES: Final = 32 * 2**20
"""Largest model_config.yaml that is read. Real ones have up to 1 MB: they repeat the vocabulary."""

_ENCODER: Final = "ConformerEncoder"
_POWERS_OF_TWO: Final = (2, 4, 8, 16)


def read_config(path: Path) -> dict[str, Any]:
    """Read a model_config.yaml.

    Raises:
        SourceInvalid: the file is missing or no YAML mapping of plain values.
        ExtraMissing: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise ExtraMissing("Reading NeMo models needs PyYAML: install shrutlekh[convert].") from error
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise SourceInvalid(f"{path.name} has more than {LIMIT_BYTES} bytes.")
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceInvalid(f"The source has no {path.name}.") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise SourceInvalid(f"{path.name} could not be read: {error}") from error
    if not isinstance(config, dict):
        raise SourceInvalid(f"{path.name} has no sections.")
    return config


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a section, or an empty one if it is missing.

    Raises:
        SourceInvalid: there is something else in its place.
    """
    found = config.get(name)
    if not isinstance(found, Mapping | None):
        raise SourceInvalid(f"'{name}' in the model's configuration is no section.")
    return found or {}


def ctc_head(config: Mapping[str, Any]) -> str:
    """Return the prefix of the CTC head's weights: a hybrid of transducer and CTC has its own.

    Raises:
        FamilyUnsupported: the model has no CTC head.
    """
    if section(config, "aux_ctc"):
        return "ctc_decoder"
    decoder = section(config, "decoder")
    if "joint" in config or not _target(decoder).endswith("ConvASRDecoder"):
        raise FamilyUnsupported(
            f"The model has no CTC head: its decoder is {_target(decoder) or 'not named'}. "
            "Transducers (RNNT, TDT) are not supported, hybrids of transducer and CTC are."
        )
    return "decoder"


def trained_seconds(config: Mapping[str, Any], default: float) -> float:
    """Return the longest audio that the model was trained on, if its configuration tells."""
    longest = section(config, "train_ds").get("max_duration")
    return float(longest) if isinstance(longest, int | float) and 1.0 <= longest <= 600.0 else default


@dataclass(frozen=True, slots=True)
class ConformerConfig:
    """Shape of a Conformer encoder.

    Attributes:
        bands: features of a frame.
        halvings: how often subsampling halves the number of frames.
        depthwise: subsampling `dw_striding` of FastConformer instead of `striding`.
        scaled: states are multiplied by the root of the width before the first layer.
        layer_norm: normalise the convolutions by LayerNorm instead of BatchNorm.
        bias: linear and convolution layers of the blocks have biases.
    """

    bands: int
    layers: int
    width: int
    heads: int
    inner_width: int
    kernel: int
    halvings: int
    subsampling_channels: int
    depthwise: bool
    scaled: bool
    layer_norm: bool
    bias: bool

    @property
    def stride(self) -> int:
        """Frames of features in an output frame."""
        return int(2**self.halvings)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the section `encoder` of a configuration, with NeMo's defaults.

        Raises:
            FamilyUnsupported: the encoder is of a variant that is not supported; the message names it.
            SourceInvalid: the section lacks a value or has one that makes no sense.
        """
        encoder = section(config, "encoder")
        _refuse_variants(config, encoder)
        try:
            width = int(encoder["d_model"])
            channels = int(_given(encoder, "subsampling_conv_channels", -1))
            found = cls(
                bands=int(encoder["feat_in"]),
                layers=int(encoder["n_layers"]),
                width=width,
                heads=int(_given(encoder, "n_heads", 4)),
                inner_width=width * int(_given(encoder, "ff_expansion_factor", 4)),
                kernel=int(_given(encoder, "conv_kernel_size", 31)),
                halvings=_POWERS_OF_TWO.index(int(_given(encoder, "subsampling_factor", 4))) + 1,
                subsampling_channels=width if channels == -1 else channels,
                depthwise=_given(encoder, "subsampling", "striding") == "dw_striding",
                scaled=bool(_given(encoder, "xscaling", True)),
                layer_norm=_given(encoder, "conv_norm_type", "batch_norm") == "layer_norm",
                bias=bool(_given(encoder, "use_bias", True)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SourceInvalid(f"The section 'encoder' of the model's configuration: {error}.") from error
        sizes = (found.bands, found.layers, found.heads, found.inner_width, found.subsampling_channels)
        if min(sizes) < 1 or width % (2 * found.heads) or found.kernel % 2 == 0:
            raise SourceInvalid("The section 'encoder' of the model's configuration has impossible sizes.")
        return found


def _refuse_variants(config: Mapping[str, Any], encoder: Mapping[str, Any]) -> None:
    kind = _target(encoder)
    if not kind.endswith(_ENCODER):
        raise FamilyUnsupported(
            f"The model's encoder is {kind or 'not named'}; of NeMo's encoders only Conformer and "
            "FastConformer are supported."
        )
    context = _given(encoder, "att_context_size", [-1, -1])
    if isinstance(context, list) and context and isinstance(context[0], list):
        context = context[0]  # the first is the one for inference
    streaming = {
        "att_context_size": list(context) != [-1, -1] if isinstance(context, list) else True,
        "causal_downsampling": bool(_given(encoder, "causal_downsampling", False)),
        "conv_context_size": encoder.get("conv_context_size") is not None,
    }
    other = {
        "self_attention_model": _given(encoder, "self_attention_model", "rel_pos") != "rel_pos",
        "subsampling": _given(encoder, "subsampling", "striding") not in ("striding", "dw_striding"),
        "subsampling_factor": _given(encoder, "subsampling_factor", 4) not in _POWERS_OF_TWO,
        "conv_norm_type": _given(encoder, "conv_norm_type", "batch_norm") not in ("batch_norm", "layer_norm"),
        "reduction": bool(encoder.get("reduction")) and _given(encoder, "reduction_factor", 1) != 1,
        "feat_out": _given(encoder, "feat_out", -1) not in (-1, 0, encoder.get("d_model")),
    }
    for reason, variants in (
        ("It is a streaming variant, which sees a limited context", streaming),
        ("Its encoder is of a variant that is not supported", other),
    ):
        named = ", ".join(f"{key}={encoder.get(key)}" for key, is_so in variants.items() if is_so)
        if named:
            raise FamilyUnsupported(f"The model cannot be converted. {reason}: {named}.")
    if section(config, "adapters"):
        raise FamilyUnsupported("The model has adapters. Merge them into its weights, or convert it without.")


def _given(settings: Mapping[str, Any], key: str, default: Any) -> Any:
    value = settings.get(key)
    return default if value is None else value


def _target(settings: Mapping[str, Any]) -> str:
    return str(settings.get("_target_") or settings.get("cls") or "")
