"""``shrutlekh keys create``."""

import json
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.console import Console
from shrutlekh.commands.options import DataFolder
from shrutlekh_contract.readable import is_readable
from sqlalchemy.orm import Session

from ops.admin.opening import opened
from ops.errors import AdminFailed
from ops.keys.documents import day_of, key_document
from ops.keys.selection import AsJson, key_with, moment_of
from shared.clock import now
from shared.keys import (
    LONGEST_NAME,
    START,
    ApiKey,
    Created,
    Limits,
    Scope,
    create_key,
    valid_keys_named,
)
from shared.logs import configure_logging

EPILOG = """Examples:

KEY=$(shrutlekh keys create newsroom)

shrutlekh keys create archive --scope read --expires 2027-01-31

shrutlekh keys create student --requests-per-minute 60 --jobs-waiting 100 --audio-hours-per-day 5

shrutlekh keys create newsroom --replaces shl_1a2b3c4d

The key alone goes to stdout, everything else to stderr. Only its hash is stored: a lost key is replaced,
not recovered. Each new key is a tenant of its own, which sees none of the others' jobs. With --replaces it
belongs to the tenant of that key and takes over its scopes and limits, except those that are given. The old
key stays valid until it is revoked."""

DEFAULT_SCOPES = (Scope.SUBMIT, Scope.READ)


def create(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Who will use the key. Also the client of its jobs.",
            show_default=False,
        ),
    ],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="What the key is for: submit (also cancel, retry, erase), read, or admin (both, for all "
            "tenants). Give it again for more.",
            show_default="submit and read",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="AGE|DATE",
            help="When it stops being valid: after 12h, 90d or 26w, or on a date (00:00 UTC).",
            show_default="never",
        ),
    ] = None,
    replaces: Annotated[
        str | None,
        typer.Option(metavar="PREFIX", help="The key that this one will replace.", show_default=False),
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(min=0, help="Most requests in a minute; 0: unlimited.", show_default="the service's"),
    ] = None,
    jobs_waiting: Annotated[
        int | None,
        typer.Option(
            min=0, help="Most queued jobs of its tenant; 0: unlimited.", show_default="the service's"
        ),
    ] = None,
    audio_hours_per_day: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1e6,
            help="Most hours of audio of its tenant in a day; 0: unlimited.",
            show_default="the service's",
        ),
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
) -> None:
    """Make a key and print it. It cannot be shown again."""
    _check_name(name)
    moment = now()
    expires_at = None if expires is None else moment_of(expires, moment)
    limits = Limits(requests_per_minute, jobs_waiting, audio_hours_per_day)
    with opened(data) as installation:
        configure_logging("INFO")
        with installation.database.write() as session:
            old = None if replaces is None else key_with(session, replaces)
            _refuse_taken(session, name, old)
            created = create_key(
                session,
                name,
                scope or (DEFAULT_SCOPES if old is None else [Scope(one) for one in old.scopes]),
                tenant=None if old is None else old.tenant,
                expires_at=expires_at,
                limits=limits if old is None else _merged(limits, old.limits),
            )
    if as_json:
        document = {"key": created.secret, **key_document(created.key, moment)}
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        _explain(created, old)
        typer.echo(created.secret)


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= LONGEST_NAME or not all(map(is_readable, name)) or name != name.strip():
        raise typer.BadParameter(
            f"1 to {LONGEST_NAME} printable characters, without spaces around them.", param_hint="NAME"
        )
    if name.startswith(START):
        raise typer.BadParameter(f"must not look like a key, which begins with {START}.", param_hint="NAME")


def _refuse_taken(session: Session, name: str, old: ApiKey | None) -> None:
    """Refuse the name of a valid key, except of the tenant for which this key is made.

    Raises:
        AdminFailed: the name is taken.
    """
    for key in valid_keys_named(session, name):
        if old is None or key.tenant != old.tenant:
            raise AdminFailed(
                f"The key {key.prefix} is named {name!r} already. Choose another name, or replace that key "
                f"with --replaces {key.prefix}."
            )


def _merged(given: Limits, old: Limits) -> Limits:
    return replace(old, **{name: value for name, value in asdict(given).items() if value is not None})


def _explain(created: Created, old: ApiKey | None) -> None:
    key = created.key
    until = f", valid until {day_of(key.expires_at)}" if key.expires_at else ""
    lines = [
        f"Made the key {key.prefix} for {key.name!r} ({', '.join(key.scopes)}{until}).",
        "Keep it safe: it is not stored and cannot be shown again. Send it as `Authorization: Bearer KEY`, "
        "or set SHRUTLEKH_API_KEY for the commands and the Python client.",
    ]
    if old is not None and old.revoked_at is None:
        lines.append(
            f"{old.prefix} stays valid. When nobody uses it any more: `shrutlekh keys revoke {old.prefix}`."
        )
    console = Console(stderr=True)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
