"""``shrutlekh doctor``."""

import json
from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from shrutlekh.commands.options import DataFolder

from ops.doctor.checkup import checks_of
from ops.doctor.examination import examine, worst
from ops.doctor.findings import Area, Check, Result, Verdict, problem
from ops.doctor.report import document, show
from ops.errors import SettingsWrong
from ops.installation import Installation, settings_in_force
from shared.settings import Settings

EPILOG = """Examples:

shrutlekh doctor

shrutlekh doctor --data /srv/shrutlekh --url http://127.0.0.1:8000

docker compose exec worker python -m ops doctor

shrutlekh doctor --only service --url https://shrutlekh.example --json

It changes nothing. Exit status: 0 no problems (warnings may be), 1 problems, 2 wrong usage."""


def doctor(
    data: DataFolder = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="SHRUTLEKH_URL", help="Also check the service there.", show_default=False
        ),
    ] = None,
    only: Annotated[
        list[Area] | None,
        typer.Option(help="Check this area alone. Give it again for more.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Check a whole installation, as the settings describe it, and say what to do about each finding."""
    areas = set(only or ())
    if areas == {Area.SERVICE} and url is None:
        raise typer.BadParameter("say where the service is, with --url.", param_hint="--only service")
    results: list[Result] = []
    try:
        installation: Installation | None = Installation(settings_in_force(data))
    except SettingsWrong as error:
        advice = "Correct the variable; docs/settings.md lists all of them."
        results.append(Result(Area.MACHINE, "settings", problem(error.message, advice), 0.0))
        installation = None
    looked_at = installation or Installation(
        Settings.model_construct()
    )  # the service's checks ask it nothing
    with closing(looked_at), Console(stderr=True).status("Checking") as spinner:

        def show_check(check: Check) -> None:
            spinner.update(f"Checking: {check.area.value}, {check.name}")

        results += examine(checks_of(installation, url, areas), looked_at, show_check)
    if as_json:
        typer.echo(json.dumps(document(results), ensure_ascii=False))
    else:
        show(results, Console())
    if worst(results) is Verdict.PROBLEM:
        raise typer.Exit(1)
