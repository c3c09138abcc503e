"""Where a model comes from: the hub, a folder, a file."""

import re
from pathlib import Path
from typing import Final

from modelkit.errors import ExtraMissing, SourceNotFound
from modelkit.sources.protocol import Progress, Provenance, Source

__all__ = ["Progress", "Provenance", "Source", "open_source"]

HUB_ID: Final = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^\s@]+))?", re.ASCII)
LOCAL: Final = re.compile(r"[.~/].*|.*\.(nemo|onnx|zip|tar|gz|bz2|pt|bin)")
"""What no hub id looks like."""


def open_source(source: str) -> Source:
    """Tell what a user means by SOURCE. A file or folder of this machine comes before a hub id.

    Args:
        source: path of a folder or file, or `organisation/name` on the hub, which may be followed by `@` and
            a branch, tag or commit.

    Raises:
        SourceNotFound: it is neither.
        ExtraMissing: it is a hub id, and huggingface_hub is not installed.
    """
    from modelkit.sources.local import FileSource, FolderSource

    path = Path(source).expanduser()
    if source and path.is_dir():
        return FolderSource(path)
    if path.is_file():
        return FileSource(path)
    named = HUB_ID.fullmatch(source)
    if named is None or LOCAL.fullmatch(source):
        raise SourceNotFound(
            f"There is no file or folder {source}. For a model of the hub, give organisation/name or "
            "organisation/name@revision."
        )
    try:
        from modelkit.sources.hub import HubSource
    except ModuleNotFoundError as error:
        if error.name != "huggingface_hub":
            raise
        raise ExtraMissing("Models of the hub need the extra: pip install 'shrutlekh[modelkit]'") from error
    return HubSource(named["id"], named["revision"])
