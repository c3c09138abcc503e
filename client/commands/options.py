"""Options that several commands share."""

from typing import Annotated

import typer

Url = Annotated[str, typer.Option(metavar="URL", envvar="SHRUTLEKH_URL", help="Where the service answers.")]
