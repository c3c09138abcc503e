"""What `modelkit add` asks of a model family: which files it wants, and how to convert them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a source, before anything but its `config.json` is read or downloaded.

    Attributes:
        sizes: bytes by name, with "/" between folders.
        config: `config.json`; empty if the source has none.
    """

    sizes: Mapping[str, int]
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked of a conversion.

    Attributes:
        language: BCP 47; a multilingual model is cut or told to it.
        tell: called with a sentence before each long step.
    """

    language: str = "hi"
    tell: Callable[[str], None] = lambda _: None


class Family(Protocol):
    """How models of one family are converted to model folders.

    Attributes:
        name: for messages, such as "wav2vec 2.0".
    """

    name: str

    def wanted(self, listing: Listing) -> Sequence[str] | None:
        """Name the files that `convert` reads, as few as possible. None: the source is of another family.

        Raises:
            FamilyUnsupported: the source is of this family, but of a variant that cannot be converted.
        """
        ...

    def convert(self, source: Path, target: Path, wishes: Wishes) -> dict[str, Any]:
        """Write graph and tokens of a model folder, without model.json.

        Args:
            source: folder with the wanted files.
            target: empty folder for the model.

        Returns:
            The entries of model.json that follow from the source: `family`, `sample_rate`, `frame_stride`,
            `blank_id`, `min_samples`, `max_segment_seconds`, `batched`, `language`, and `conversion`: what
            was compared with the original pipeline, and by how much the two differ.

        Raises:
            ModelkitError: see `modelkit.errors`.
        """
        ...
