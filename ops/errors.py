"""Errors of the operator's commands, printed as a sentence."""

from shrutlekh.errors import ClientError


class StartFailed(ClientError):
    """The embedded service could not be started."""

    code = "start_failed"


class SettingsWrong(ClientError):
    """A setting in the environment is not valid."""

    code = "settings_wrong"


class NoDatabase(ClientError):
    """The settings name a SQLite file that does not exist."""

    code = "no_database"


class AdminFailed(ClientError):
    """The database or Redis of the settings cannot be used."""

    code = "admin_failed"
