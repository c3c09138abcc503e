"""Options that several commands share."""

import enum
from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[str, typer.Option(metavar="URL", envvar="SHRUTLEKH_URL", help="Where the service answers.")]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the service, such as that of a `shrutlekh serve`.",
        show_default="SHRUTLEKH_DATA_DIR, else data",
    ),
]


class DecoderName(enum.StrEnum):
    """The choices of ``--decoder``."""

    GREEDY = "greedy"
    BEAM = "beam"


class ChannelsName(enum.StrEnum):
    """The choices of ``--channels``."""

    MIX = "mix"
    EACH = "each"


class NumeralsName(enum.StrEnum):
    """The choices of ``--numerals``."""

    SPOKEN = "spoken"
    LATIN = "latin"
    DEVANAGARI = "devanagari"


Numerals = Annotated[
    NumeralsName | None,
    typer.Option(
        help="Write numbers in words, as they were said, or in digits: 25 or २५.", show_default="spoken"
    ),
]
Decoder = Annotated[
    DecoderName | None,
    typer.Option(
        help="How words are found: 'beam' uses the language model and errs less, 'greedy' is faster.",
        show_default="the model's own choice",
    ),
]
Channels = Annotated[
    ChannelsName | None,
    typer.Option(
        help="'each' transcribes every channel by itself, as for calls with a channel for each side; 'mix' "
        "their mean.",
        show_default="mix",
    ),
]
Hotword = Annotated[
    list[str] | None,
    typer.Option(
        "--hotword",
        metavar="WORD",
        help="A word or phrase in Devanagari to prefer where it could have been said, such as a name. Give "
        "it again for each; it needs beam search.",
        show_default=False,
    ),
]
HotwordsFile = Annotated[
    Path | None,
    typer.Option("--hotwords", metavar="FILE", help="A file of them, one a line.", show_default=False),
]
HotwordWeight = Annotated[
    float | None,
    typer.Option(min=0, max=20, help="How much they are preferred, from 0 to 20.", show_default="6"),
]


def formats(named: list[str] | None) -> tuple[str, ...]:
    """What ``--format`` names; wrong usage where one is none."""
    from shrutlekh.commands.recognition import formats_from

    try:
        return formats_from(named or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--format") from error
