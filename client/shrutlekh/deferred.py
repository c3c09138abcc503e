"""Commands that are imported only when they run, so that ``--help`` starts at once."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand


class Deferred(NamedTuple):
    """An entry of a command line.

    Attributes:
        target: ``module:name`` of the command's function, or of a ``typer.Typer`` with subcommands. The
            module's ``EPILOG``, if any, ends the command's help.
        help: entry in the list of commands; the same as the first line of the function's docstring.
    """

    name: str
    target: str
    help: str


def add_deferred(app: typer.Typer, entries: Iterable[Deferred]) -> None:
    """Add commands in this order. Each is imported when it runs or shows its own help."""
    for entry in entries:
        app.command(entry.name, help=entry.help, cls=_placeholder(entry))(lambda: None)


def _placeholder(entry: Deferred) -> type[TyperCommand]:
    class Placeholder(TyperCommand):
        """Stands in for the command until Click makes its context, the first step of running it."""

        def make_context(self, *arguments: Any, **options: Any) -> Any:
            return _load(entry).make_context(*arguments, **options)

    return Placeholder


def _load(entry: Deferred) -> Any:
    module_name, _, name = entry.target.partition(":")
    module = import_module(module_name)
    target = getattr(module, name)
    if isinstance(target, typer.Typer):
        return typer.main.get_command(target)
    app = typer.Typer(add_completion=False)
    app.command(entry.name, epilog=getattr(module, "EPILOG", None))(target)
    return typer.main.get_command(app)
