"""Errors of the operator's commands, printed as a sentence."""

from shrutlekh.errors import ClientError


class StartFailed(ClientError):
    """The embedded service could not be started."""

    code = "start_failed"
