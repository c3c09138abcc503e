"""Errors of the client. ``message`` is a sentence for people, ``code`` a stable name for programs."""


class ClientError(Exception):
    """Base of all errors of the client. The command line prints them without a traceback."""

    code = "client_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ApiError(ClientError):
    """The service answered with an error.

    Attributes:
        code, message: those of the problem document, for example "queue_full".
        status: the HTTP status.
        retry_after: seconds to wait before the next try, where the service says so.
    """

    def __init__(self, code: str, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} ({self.code}, HTTP {self.status})"


class Unreachable(ClientError):
    """Nothing answers at the URL, or the connection broke."""

    code = "unreachable"


class InvalidUrl(Unreachable):
    """The service's URL is not an HTTP URL. Trying again is useless."""


class NotShrutlekh(ClientError):
    """Something answers at the URL, but it does not speak Shrutlekh's API."""

    code = "not_shrutlekh"


class RecordingUnreadable(ClientError):
    """The file to upload cannot be read, or became shorter during the upload."""

    code = "file_unreadable"


class ApiKeyUnusable(ClientError):
    """The API key can't be read, or can't be one."""

    code = "api_key_unusable"
