"""The files of the page in ``api/web``: read and compressed once, under a version that changes with them."""

import gzip
import hashlib
import html
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "web"
INDEX: Final = "index.html"
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as it is sent, plain and compressed with gzip."""

    media_type: str
    plain: bytes
    compressed: bytes

    @classmethod
    def of(cls, media_type: str, plain: bytes) -> "PageFile":
        """Compress a file."""
        return cls(media_type, plain, gzip.compress(plain, mtime=0))


@dataclass(frozen=True, slots=True)
class PageFiles:
    """All files by their paths below ``api/web``, and their common version."""

    version: str
    files: dict[str, PageFile]

    def index(self, prefix: str) -> PageFile:
        """Return the document, with URLs below the path prefix under which a proxy publishes the service."""
        index = self.files[INDEX]
        replacements = {"root": f"{prefix}/", "base": f"{prefix}/web/{self.version}/"}
        text = index.plain.decode()
        for name, value in replacements.items():
            text = text.replace(f"{{{{{name}}}}}", html.escape(value))
        return PageFile.of(index.media_type, text.encode())


@cache
def page_files() -> PageFiles:
    """Read the files. A process that serves changed files must be restarted."""
    paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in MEDIA_TYPES)
    files = {
        path.relative_to(FOLDER).as_posix(): PageFile.of(MEDIA_TYPES[path.suffix], path.read_bytes())
        for path in paths
    }
    digest = hashlib.sha256()
    for name, file in files.items():
        digest.update(f"{name}\0{len(file.plain)}\0".encode() + file.plain)
    return PageFiles(digest.hexdigest()[:16], files)
