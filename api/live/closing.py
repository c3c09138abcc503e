"""The end of a live session that is not a complete text."""

from shared.live import SessionEnd


class SessionClosed(Exception):
    """The session ends here, with an error that the client is told.

    Attributes:
        end: the reason, with the WebSocket's close code.
        code: stable code of the error.
        message: a sentence that says what to do.
    """

    def __init__(self, end: SessionEnd, message: str, code: str = "") -> None:
        super().__init__(message)
        self.end = end
        self.code = code or end.error
        self.message = message
