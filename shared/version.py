"""The version, where the package's metadata are read from too: in an image there are only the folders."""

from typing import Final

VERSION: Final = "0.1.0"
