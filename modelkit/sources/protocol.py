"""What `modelkit add` asks of a source of models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from modelkit.families.protocol import Listing

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes of all files, after each block."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the files of a model came from, for the entry `source` of model.json.

    Attributes:
        kind: `hub`, `folder` or `file`.
        id: `organisation/name` on the hub, else the name of the folder or file without its path.
        revision: the hub's commit.
        licence: as the hub's model card names it.
        files: sha256 by name.
    """

    kind: str
    id: str
    revision: str | None = None
    licence: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def entries(self) -> dict[str, Any]:
        """Give the entry of model.json, without what is not known."""
        return {key: value for key, value in asdict(self).items() if value is not None}


class Source(Protocol):
    """Files of a model that is to be added. Everything in them and about them is a stranger's claim.

    Attributes:
        kind: as in `Provenance`.
        id: as in `Provenance`.
    """

    kind: str
    id: str

    @property
    def revision(self) -> str | None:
        """The commit that all files are read from; None outside the hub. Raises as `listing` does."""
        ...

    @property
    def licence(self) -> str | None:
        """The licence that the source names, for example `mit`. Raises as `listing` does."""
        ...

    def listing(self) -> Listing:
        """List the files and read `config.json`.

        Raises:
            SourceNotFound: there is no such source.
            SourceInvalid: a name leads out of the folder, or config.json is no JSON object.
            ModelkitError: see `modelkit.errors`.
        """
        ...

    def fetch(
        self, names: Sequence[str], into: Path, progress: Progress = lambda *_: None, reserve: int = 0
    ) -> Provenance:
        """Put files into a folder, by the names of `listing`.

        Files that are there and intact are kept, and a download that was interrupted is resumed, so `into`
        should outlive a failure.

        Args:
            into: made if it is missing.
            reserve: bytes that must stay free on the disk beside the files, for what is made of them.

        Raises:
            SourceNotFound: the source has no such file.
            DiskFull: the files and `reserve` do not fit; checked before the first byte.
            ModelkitError: see `modelkit.errors`.
        """
        ...
