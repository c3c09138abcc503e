"""``shrutlekh serve``."""

import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from shrutlekh.errors import ClientError
from shrutlekh.quantities import counted
from shrutlekh_contract.hosts import is_loopback

from ops.service.instance import free_port, locked, socket_path
from ops.service.signals import Signals
from ops.service.stack import Place, Stack
from shared.clock import now
from shared.database import open_database
from shared.errors import DatabaseUnavailable
from shared.keys import all_keys
from shared.settings import Settings

EPILOG = """Examples:

shrutlekh serve

shrutlekh serve --port 0 --data /srv/shrutlekh --workers 4

Prints one line on stdout when it is ready.

Stop it with Ctrl-C or SIGTERM. Jobs in progress continue for --drain-seconds; unfinished ones resume after
the next start.

Exit status: 0 clean stop, 1 could not start or had to kill a process."""


def serve(
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 chooses a free one.")
    ] = 8000,
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder for jobs, recordings and logs.")] = Path(
        "data"
    ),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes. Default: one per CPU.", show_default=False),
    ] = None,
    drain_seconds: Annotated[
        float | None,
        typer.Option(
            min=0, help="How long jobs in progress continue at a stop. Default: 20.", show_default=False
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log to stderr instead of files.")] = False,
) -> None:
    """Run the whole service on this machine: Redis, API and workers."""
    console = Console(stderr=True)

    def say(message: str) -> None:
        console.print(message, markup=False, highlight=False, soft_wrap=True)

    data = data.resolve()
    try:
        with locked(data), socket_path(data) as redis_socket, Signals() as signals:
            place = Place(data, host, free_port(host, port), redis_socket)
            stack = Stack(place, signals, say, workers=workers, drain_seconds=drain_seconds, verbose=verbose)
            fine = False
            try:
                with console.status("Starting Redis, the API and a worker ..."):
                    started = stack.start()
                if started:
                    print(f"Shrutlekh is ready at {place.url}", flush=True)  # noqa: T201
                    for note in _notes_on_access(Settings(data_dir=data, host=host, port=place.port)):
                        say(note)
                fine = not started or stack.watch()
            finally:
                if fine:
                    say("Stopping. Unfinished jobs resume after the next start. Press again to stop at once.")
                fine = stack.stop() and fine
    except ClientError as error:
        say(f"Error: {error.message}")
        raise typer.Exit(1) from error
    if not fine:
        raise typer.Exit(1)


def _notes_on_access(settings: Settings) -> Iterator[str]:
    """Yield what somebody who lets other machines in should know."""
    command = f"shrutlekh keys create NAME --data {shlex.quote(str(settings.data_dir))}"
    if settings.keys_required:
        try:
            with closing(open_database(settings, pool_size=1)) as database, database.read() as session:
                valid = sum(key.is_valid(now()) for key in all_keys(session))
        except DatabaseUnavailable:
            yield f"Requests need an API key. Make one: {command}"
            return
        if valid == 0:
            yield f"Requests need an API key, and there is none yet. Make one in another terminal: {command}"
        else:
            yield f"Requests need an API key ({counted(valid, 'valid key')}). Another one: {command}"
    elif not is_loopback(settings.published_host or settings.host):
        yield "Note: the service accepts connections from other machines without an API key."
