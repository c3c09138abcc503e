"""Model families that `modelkit add` converts, one module each.

To support another family, write its module here and add its line to `FAMILIES`.
"""

from pkgutil import resolve_name
from typing import Final

from modelkit.families.protocol import Family, Listing, Wishes

__all__ = ["FAMILIES", "Family", "Listing", "Wishes", "families"]

FAMILIES: Final = (
    "modelkit.families.model_folder:FAMILY",
    "modelkit.families.onnx_exports:FAMILY",
    "modelkit.families.transformers_ctc:FAMILY",
    "modelkit.families.nemo:FAMILY",
    "modelkit.families.whisper:FAMILY",
)
"""`module:name` of an instance for each family, in the order in which they are asked."""


def families() -> list[Family]:
    """Import all families. None of them imports torch or another heavy package before `convert`."""
    return [resolve_name(name) for name in FAMILIES]
