"""The operator's commands are tested in the same plain shell as the client's."""

from tests.client.conftest import _no_settings_of_the_shell as _no_settings_of_the_shell
