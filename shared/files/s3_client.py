"""The client of S3-compatible storage: bounded retries and timeouts, errors with a code."""

import base64
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import botocore.session
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from shared.errors import StorageFull, StorageUnavailable
from shared.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECTIONS = 32
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
"""How long the storage may send nothing. It also bounds how long one part may take to be acknowledged."""
TRIES = 4
DEFAULT_REGION = "us-east-1"

_NO_KEY = {"NoSuchKey", "404", "NotFound"}
_NO_UPLOAD = "NoSuchUpload"
_FULL = {"XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
_EMPTY_RANGE = "InvalidRange"

log = structlog.get_logger(__name__)


class NoSuchUpload(Exception):
    """The multipart upload does not exist any more."""


class RangeBeyondEnd(Exception):
    """The object is shorter than the beginning of the range."""


def open_client(settings: Settings) -> "S3Client":
    """Make a client. Credentials come from the SDK's chain: environment, shared files, role of the machine.

    It makes no connection yet, unless the credentials are those of the machine's role.
    """
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it logs each credential provider it finds
    session = botocore.session.get_session()
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        s3={"addressing_style": settings.s3_addressing},
        # Trailing checksums, the default, are refused by older S3-compatible servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    region = settings.s3_region or session.get_config_variable("region") or DEFAULT_REGION
    client: Any = session.create_client(
        "s3", region_name=region, endpoint_url=settings.s3_endpoint or None, config=config
    )
    # For bulk deletion older S3-compatible servers want this header beside the checksum that the SDK sends.
    client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
    return client  # type: ignore[no-any-return]


def _add_md5(params: dict[str, Any], **_: object) -> None:
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()


@contextmanager
def translated_errors(action: str) -> Iterator[None]:
    """Turn the SDK's errors into those of the file store.

    Args:
        action: for the log.

    Raises:
        FileNotFoundError: the bucket has no such key. For a HEAD request, perhaps there is no such bucket.
        NoSuchUpload: the multipart upload does not exist.
        RangeBeyondEnd: the object has no such range.
        StorageFull: the storage has no room, or its quota is used up.
        StorageUnavailable: anything else: no answer, no access, no bucket.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _NO_KEY:
            raise FileNotFoundError("The bucket has no such file.") from error
        if code == _NO_UPLOAD:
            raise NoSuchUpload from error
        if code == _EMPTY_RANGE:
            raise RangeBeyondEnd from error
        if code in _FULL:
            raise StorageFull("The storage has no room for this recording. Contact the operator.") from error
        log.error("storage_refused", action=action, error_code=code)
        raise unavailable() from error
    except (BotoCoreError, HTTPError, OSError) as error:
        log.warning("storage_unavailable", action=action, error=type(error).__name__)
        raise unavailable() from error


def unavailable() -> StorageUnavailable:
    """Make the error that clients see."""
    return StorageUnavailable(
        "The storage of the recordings does not answer. Try again in a few seconds; if that does not help, "
        "contact the operator."
    )
