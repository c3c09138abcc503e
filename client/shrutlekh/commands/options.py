"""Parameters that several commands share, and those that derive from the declared options."""

import functools
import inspect
from collections.abc import Callable, Iterator
from enum import StrEnum
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer
from shrutlekh_contract.declarations import Option
from shrutlekh_contract.option_kinds import Choice, Flag, Number, Words
from shrutlekh_contract.options import SubmissionOptions, declared

from shrutlekh.commands.recognition import formats_from, hotwords_from

Url = Annotated[str, typer.Option(metavar="URL", envvar="SHRUTLEKH_URL", help="URL of the service.")]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        envvar="SHRUTLEKH_API_KEY_FILE",
        help="File with the API key, if the service requires one. A key on the command line would show in "
        "the list of processes.",
        show_default="the key in SHRUTLEKH_API_KEY",
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The service's data folder, as given to `shrutlekh serve`.",
        show_default="SHRUTLEKH_DATA_DIR, else data",
    ),
]

CHOSEN = "chosen"
NOTHING_CHOSEN = SubmissionOptions()


def takes(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the command-line options of the declared options with these names.

    The command's parameter `chosen` receives them as one SubmissionOptions. The command line raises
    HotwordsUnreadable or HotwordInvalid as :func:`hotwords_from`.
    """
    options = {name: option for name, option in declared(SubmissionOptions).items() if name in names}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)

        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            values = {name: _taken(name, option, arguments) for name, option in options.items()}
            chosen = SubmissionOptions(**{n: value for n, value in values.items() if value is not None})
            command(**arguments, **{CHOSEN: chosen})

        parameters: list[Parameter] = []
        for parameter in signature.parameters.values():
            if parameter.name == CHOSEN:
                for name, option in options.items():
                    parameters += _parameters(name, option)
            else:
                parameters.append(parameter)
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def _parameters(name: str, option: Option) -> Iterator[Parameter]:
    """Yield the function parameters from which Typer builds the option's switches."""
    switch = option.switch
    if switch is None:
        raise ValueError(f"The option {name} is not declared for the command line.")
    shown = switch.default or (False if option.default is None else _written(option.default))
    settings: dict[str, Any] = {"help": switch.help, "metavar": switch.metavar, "show_default": shown}
    flag = f"--{name.replace('_', '-')}"
    kind: Any = str
    match option.kind:
        case Words():
            file = typer.Option(
                flag,
                metavar="FILE",
                help="A file with hot-words, one per line; # begins a comment.",
                show_default=False,
            )
            settings["show_default"] = False
            yield _parameter(
                _one_of(name), list[str] | None, typer.Option(flag.removesuffix("s"), **settings)
            )
            yield _parameter(name, Path | None, file)
            return
        case Flag():
            kind = bool
            flag = f"{flag}/--no-{flag.removeprefix('--')}"
        case Choice(words):
            kind = _enum_of(name, words)
        case Number(low, high):
            kind = float
            settings |= {"min": low, "max": high}
    if switch.is_sent:
        settings["show_default"] = True
        yield _parameter(name, kind, typer.Option(flag, **settings), kind(option.default))
    else:
        yield _parameter(name, kind | None, typer.Option(flag, **settings))


def _enum_of(name: str, words: tuple[str, ...]) -> Any:
    """Make an enumeration, whose members Typer shows as the choices."""
    return StrEnum(name, {word: word for word in words})


def _parameter(name: str, kind: Any, shown: Any, default: Any = None) -> Parameter:
    return Parameter(
        name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=Annotated[kind, shown]
    )


def _taken(name: str, option: Option, arguments: dict[str, Any]) -> Any:
    """Take the value of an option out of a command's arguments."""
    value = arguments.pop(name)
    match option.kind:
        case Words():
            return hotwords_from(arguments.pop(_one_of(name)) or (), value)
        case Choice() if value is not None:
            return value.value
        case _:
            return value


def _one_of(name: str) -> str:
    return f"one_of_{name}"


def _written(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def formats(named: list[str] | None) -> tuple[str, ...]:
    """Return the formats that ``--format`` names; an unknown one is a usage error."""
    try:
        return formats_from(named or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--format") from error
