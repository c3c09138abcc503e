"""What can go wrong between the client and a service. ``message`` is a sentence for the person."""


class ClientError(Exception):
    """Base of the errors that a command prints as a sentence instead of a traceback."""

    code = "client_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ApiError(ClientError):
    """The service answered with an error; ``code`` and ``message`` are those of its problem document."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def __str__(self) -> str:
        return f"{self.message} ({self.code}, HTTP {self.status})"


class Unreachable(ClientError):
    """Nothing answers at the URL, or the connection broke."""

    code = "unreachable"


class NotShrutlekh(ClientError):
    """Something answers at the URL, but it does not speak Shrutlekh's API."""

    code = "not_shrutlekh"


class RecordingUnreadable(ClientError):
    """The file to upload cannot be read, or became shorter while it was."""

    code = "file_unreadable"


class StartFailed(ClientError):
    """The embedded service could not be started."""

    code = "start_failed"
