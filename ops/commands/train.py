"""``shrutlekh train``."""

import os
import sys
from importlib.util import find_spec

import typer
from shrutlekh.errors import ClientError

from shared.settings import Settings

PROGRAM = "training.commands.adapt"
LIGHT, HEAVY = ("onnx", "rapidfuzz"), ("librosa", "safetensors", "torch")
"""Packages of the extra `train`. The heavy ones are not needed for --help."""
HELP = {"--help", "-h"}

SUMMARY = "Fine-tune a model with your own recordings, measure it, and install it if it is better."

train = typer.Typer(add_completion=False, help=SUMMARY)


@train.command(
    help=SUMMARY,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def command(context: typer.Context) -> None:
    """Replace this process by that of the training, with the same arguments.

    `ops` does not import `training`, which is heavy.

    Raises:
        ClientError: a package of the extra `train` is missing, or a setting is wrong.
    """
    is_help = not HELP.isdisjoint(context.args)
    absent = [name for name in (LIGHT if is_help else LIGHT + HEAVY) if find_spec(name) is None]
    if absent:
        raise ClientError(
            f"Training needs packages that are not installed: {', '.join(absent)}. "
            "Install them with: pip install 'shrutlekh[train]'"
        )
    try:
        settings = Settings()
    except ValueError as error:
        raise ClientError(f"A setting in the environment is wrong. {error}") from error
    os.environ.setdefault("SHRUTLEKH_MODELS_DIR", str(settings.models_dir))
    sys.stdout.flush()
    # The training takes this process over: signals, exit status and terminal are its own.
    arguments = ["--help" if argument == "-h" else argument for argument in context.args]
    os.execv(sys.executable, [sys.executable, "-m", PROGRAM, *arguments])  # noqa: S606 - no shell
