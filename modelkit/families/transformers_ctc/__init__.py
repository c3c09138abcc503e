"""CTC checkpoints of Hugging Face transformers: wav2vec 2.0, HuBERT, WavLM and w2v-BERT 2.0.

Nothing here imports torch before `convert`.
"""

from typing import Final

from modelkit.families.transformers_ctc.family import TransformersCtc

__all__ = ["FAMILY", "TransformersCtc"]

FAMILY: Final = TransformersCtc()
