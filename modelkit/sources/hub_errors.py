"""Say what went wrong with the hub in the words of `modelkit.errors`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from modelkit.errors import AccessDenied, DownloadFailed, SourceNotFound

HTTP_ERROR: Final[type[Exception]] = HfHubHTTPError.__bases__[0]
"""Base of all errors of the HTTP client: httpx's before huggingface_hub 2, and then httpx2's."""
TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Status codes after which the same request may succeed."""


def is_transient(error: Exception) -> bool:
    """Tell whether a second try may help: broken connections, timeouts, and a hub that is busy."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in TRANSIENT
    return isinstance(error, HTTP_ERROR)


@contextmanager
def hub_errors_told(repository: str, revision: str | None) -> Iterator[None]:
    """Turn errors of huggingface_hub into those of `modelkit.errors`.

    Raises:
        SourceNotFound: the hub has no such repository, revision or file.
        AccessDenied: the repository is gated or private, or HF_TOKEN is wrong.
        DownloadFailed: the hub cannot be reached or does not answer as a hub.
    """
    try:
        yield
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise _not_there(error, repository, revision) from error
    except HFValidationError as error:
        raise SourceNotFound(f"{repository} cannot be a repository of the hub: {error}") from error
    except OfflineModeIsEnabled as error:
        raise DownloadFailed(f"{repository} cannot be downloaded while HF_HUB_OFFLINE is set.") from error
    except HfHubHTTPError as error:
        raise _refused(error, repository) from error
    except HTTP_ERROR as error:
        reason = str(error) or type(error).__name__
        raise DownloadFailed(
            f"The connection to the hub failed ({reason}). Run the command again: it resumes."
        ) from error


def _not_there(error: Exception, repository: str, revision: str | None) -> AccessDenied | SourceNotFound:
    if isinstance(error, GatedRepoError):
        return _gated(repository)
    if isinstance(error, RevisionNotFoundError):
        return SourceNotFound(f"{repository} has no branch, tag or commit {revision}.")
    if isinstance(error, RepositoryNotFoundError):
        return SourceNotFound(
            f"The hub has no model {repository}, or it is private: check the name; for a private one set "
            "HF_TOKEN to a token of an account that may read it."
        )
    return SourceNotFound(f"A file that the hub lists for {repository} is not there.")


def _gated(repository: str) -> AccessDenied:
    if os.environ.get("HF_TOKEN"):
        return AccessDenied(
            f"{repository} is gated, and the account of HF_TOKEN has no access: accept the licence on the "
            "model's page, wait if its authors must approve, and run the command again."
        )
    return AccessDenied(
        f"{repository} is gated: accept the licence on the model's page, create an access token in the "
        "settings of your account, set HF_TOKEN to it and run the command again."
    )


def _refused(error: HfHubHTTPError, repository: str) -> AccessDenied | DownloadFailed:
    status = error.response.status_code
    if status in {401, 403}:
        return AccessDenied(
            f"The hub refuses {repository} ({status}): HF_TOKEN is wrong or expired, lacks the right to read "
            "it, or the licence was not accepted on the model's page."
        )
    if status in TRANSIENT:
        return DownloadFailed(f"The hub is busy or down ({status}). Run the command again later: it resumes.")
    return DownloadFailed(f"The hub answered {status} for {repository}.")
