"""The version. A constant, because the container images hold the folders without package metadata."""

from typing import Final

VERSION: Final = "0.1.0"
