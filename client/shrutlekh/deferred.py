"""Commands that are imported when they run: ``--help`` starts at once, and their modules stay plain."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand


class Deferred(NamedTuple):
    """An entry of a command line.

    Attributes:
        target: ``module:name`` of the command's function, or of a ``typer.Typer`` with commands of its own.
            The module's ``EPILOG``, if it has one, ends the command's help.
        help: what the list of commands says, which is the first line of the function's docstring.
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
        """Listed in place of the command. Every use of a command begins with its context."""

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
