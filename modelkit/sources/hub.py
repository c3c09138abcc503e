"""Models of the Hugging Face hub, or of a server that speaks its protocol.

The environment is read at each call: HF_ENDPOINT (another server), HF_TOKEN (private and gated models).
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from huggingface_hub import HfApi, ModelInfo, constants, hf_hub_url
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from modelkit.errors import DownloadFailed, SourceInvalid, SourceNotFound
from modelkit.families.protocol import Listing
from modelkit.sources.configuration import CONFIG, MAX_BYTES, read_config
from modelkit.sources.disk import full_disk_told, need_space
from modelkit.sources.hub_download import PARTIAL, TIMEOUT, RemoteFile, alone_in, download, with_retries
from modelkit.sources.hub_errors import hub_errors_told
from modelkit.sources.names import is_safe
from modelkit.sources.protocol import Progress, Provenance

# The environment variable would count only before the first import of the package.
constants.HF_HUB_DISABLE_TELEMETRY = True

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
MAX_LICENCE: Final = 200  # characters
DIGEST: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class HubSource:
    """A repository of the hub at one commit.

    Attributes:
        id: `organisation/name`.
    """

    kind = "hub"

    def __init__(self, repository: str, revision: str | None = None) -> None:
        """Name a repository; nothing is asked of the hub yet.

        Args:
            revision: branch, tag or commit. Default: the main branch.
        """
        self.id = repository
        self._requested = revision

    @cached_property
    def _info(self) -> ModelInfo:
        """What the hub knows of the repository. Its commit holds for all that is read later."""
        api = HfApi(endpoint=_endpoint())
        try:
            with hub_errors_told(self.id, self._requested):
                return with_retries(
                    lambda: api.model_info(
                        self.id, revision=self._requested, files_metadata=True, timeout=TIMEOUT
                    )
                )
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # no JSON, or other keys
            raise DownloadFailed(
                "The answer is not one of a hub: check HF_ENDPOINT, proxy and firewall."
            ) from error

    @property
    def revision(self) -> str:
        """The commit."""
        commit = self._info.sha
        if commit is None or not COMMIT.fullmatch(commit):
            raise SourceInvalid(f"The hub names no commit of {self.id}.")
        return commit

    @property
    def licence(self) -> str | None:
        """The licence on the model card, in printable characters."""
        card: Any = self._info.card_data or {}
        licence = card.get("license")
        if licence == "other":
            licence = card.get("license_name") or licence
        if licence is None:
            tags = self._info.tags or []
            licence = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)
        if licence is None:
            return None
        text = ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence)
        return "".join(character for character in text if character.isprintable())[:MAX_LICENCE]

    def listing(self) -> Listing:
        """List the files of the commit and read `config.json`.

        Raises:
            SourceNotFound: the hub has no such repository or revision.
            AccessDenied: it is gated or private.
            SourceInvalid: a name leads out of the folder, or config.json is no JSON object.
            DownloadFailed: the hub cannot be reached.
            DownloadCorrupt: config.json is damaged.
        """
        files = self._files
        sizes = {name: file.size for name, file in files.items()}
        if CONFIG not in files:
            return Listing(sizes)
        if sizes[CONFIG] > MAX_BYTES:
            raise SourceInvalid(f"{CONFIG} of {self.id} is larger than {MAX_BYTES} bytes.")
        with tempfile.TemporaryDirectory() as folder:
            self._download([CONFIG], Path(folder), lambda _: None)
            return Listing(sizes, read_config(Path(folder) / CONFIG))

    def fetch(
        self, names: Sequence[str], into: Path, progress: Progress = lambda *_: None, reserve: int = 0
    ) -> Provenance:
        """Download files and compare them with the hub's digests. See `Source.fetch`.

        Raises:
            SourceNotFound: the repository has no such file.
            AccessDenied: it is gated or private.
            DownloadFailed: the hub cannot be reached; the next call resumes.
            DownloadCorrupt: a file is not the one that the hub's digest names. It was removed.
            DiskFull: the files and `reserve` do not fit.
        """
        if missing := set(names) - self._files.keys():
            raise SourceNotFound(f"{self.id} has no file {min(missing)}.")
        files = [self._files[name] for name in names]
        total = sum(file.size for file in files)
        into.mkdir(parents=True, exist_ok=True)
        need_space(into, total - sum(min(file.size, file.bytes_there(into)) for file in files) + reserve)
        done = 0

        def advance(size: int) -> None:
            nonlocal done
            done += size
            progress(done, total)

        with alone_in(into):
            digests = self._download(names, into, advance)
            shutil.rmtree(into / PARTIAL, ignore_errors=True)
        return Provenance(self.kind, self.id, self.revision, self.licence, digests)

    @cached_property
    def _files(self) -> dict[str, RemoteFile]:
        files = {}
        for sibling in self._info.siblings or []:
            name, digest = sibling.rfilename, sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
            if not isinstance(name, str) or not is_safe(name) or name.startswith(PARTIAL):
                raise SourceInvalid(f"{self.id} has a file named {name!a}, which cannot be used.")
            if not isinstance(sibling.size, int) or not DIGEST.fullmatch(str(digest)):
                raise SourceInvalid(f"The hub names no size and digest of {name} of {self.id}.")
            url = hf_hub_url(self.id, name, revision=self.revision, endpoint=_endpoint())
            files[name] = RemoteFile(name, url, sibling.size, str(digest), is_git=sibling.lfs is None)
        return files

    def _download(self, names: Sequence[str], into: Path, advance: Callable[[int], None]) -> dict[str, str]:
        """Download files. Returns sha256 by name."""
        headers = build_hf_headers(library_name="shrutlekh")
        with hub_errors_told(self.id, self.revision), full_disk_told(into):
            try:
                return {name: download(self._files[name], into, headers, advance) for name in names}
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise SourceInvalid(f"{self.id} has a file and a folder of one name.") from error


def _endpoint() -> str | None:
    """The server that the environment names; None: the hub itself."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    try:
        address = urlsplit(endpoint)
        usable = address.scheme in {"http", "https"} and bool(address.hostname)
    except ValueError:
        usable = False
    if endpoint and not usable:
        raise DownloadFailed(f"HF_ENDPOINT is no address of a server: {endpoint}")
    return endpoint or None
