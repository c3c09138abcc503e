"""``shrutlekh models``: the models of a running service; with a subcommand, those of the models folder."""

import importlib.util
import os
import sys
from typing import Any, NoReturn

import typer
from shrutlekh.commands.models import models as list_models
from shrutlekh.errors import ClientError
from typer.core import TyperCommand

from shared.settings import Settings

EPILOG = """With a subcommand it works on the models folder of this machine:

shrutlekh models add SOURCE: download, convert, verify, measure and install a model

shrutlekh models list, show NAME, verify NAME, remove NAME, default NAME

shrutlekh models compare A B --manifest test.tsv

Each has its own --help. See docs/bring-a-model.md."""


class _Models(TyperCommand):
    """The client's command, which hands over to ``modelkit models`` if a subcommand is named."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        if args and not args[0].startswith("-"):
            _hand_over(args)
        return super().make_context(info_name, args, parent, **extra)


models = typer.Typer(
    add_completion=False,
    help="List the models of a running service; add, compare and remove models of this machine.",
)
models.command("models", cls=_Models, epilog=EPILOG)(list_models)


def _hand_over(arguments: list[str]) -> NoReturn:
    """Run ``modelkit models``, for the models folder of the settings.

    Raises:
        ClientError: a setting is wrong, or modelkit is not installed here.
    """
    if importlib.util.find_spec("modelkit") is None:
        raise ClientError(
            "Models are not added in the service's images. Install shrutlekh[convert] on another "
            "machine, add the model there with --models DIR, and mount DIR over the models folder."
        )
    try:
        folder = Settings().models_dir
    except ValueError as error:
        raise ClientError(f"A setting in the environment is wrong. {error}") from error
    environment = {**os.environ, "SHRUTLEKH_MODELS_DIR": str(folder), "SHRUTLEKH_PROGRAM": "shrutlekh"}
    sys.stdout.flush()
    # In place of this process: signals, the terminal and the exit status are then those of the command.
    os.execve(sys.executable, [sys.executable, "-m", "modelkit", "models", *arguments], environment)  # noqa: S606
