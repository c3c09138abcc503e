"""The commands of ``python -m training``, grouped by subject, and their common options."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console()

WORK = Path(".work/training")
MODEL = Path("models/hi-ctc-base")
SPEECH = Path("../shared/speech")
PACKAGES = "packages"
"""Subfolder of the work folder for downloaded models."""

Work = Annotated[Path, typer.Option(help="Folder for everything that the recipe creates.")]
SpeechDir = Annotated[
    Path, typer.Option(envvar="SHRUTLEKH_SPEECH_DIR", help="Folder of the recipe's corpora and texts.")
]
Processes = Annotated[int, typer.Option(min=1, help="Processes for decoding and synthesis.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]


@contextmanager
def bar() -> Iterator[Progress]:
    """Show a progress bar on the console."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield progress


def require_corpora(speech_dir: Path) -> None:
    """Check that the recipe's corpora exist.

    Raises:
        typer.BadParameter: the folder of the corpora is missing.
    """
    if not speech_dir.is_dir():
        raise typer.BadParameter(f"No corpora in {speech_dir}: see docs/train-a-model.md.")


class _Steps:
    """Imports `training.commands.with_torch` at its first use: the one seam to torch.

    All other commands, and --help of every command, work without torch.

    Raises:
        typer.Exit: a package of the extra `train` is not installed; the message names it.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(import_module("training.commands.with_torch"), name)
        except ModuleNotFoundError as error:
            message = f"{error.name} is not installed, and this command needs it: pip install -e '.[train]'."
            typer.echo(message, err=True)
            raise typer.Exit(1) from None


if TYPE_CHECKING:
    from training.commands import with_torch

    steps = with_torch
else:
    steps = _Steps()
