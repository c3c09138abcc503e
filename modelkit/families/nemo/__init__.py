"""NeMo's Conformer and FastConformer models with a CTC head."""

from modelkit.families.nemo.family import FAMILY

__all__ = ["FAMILY"]
