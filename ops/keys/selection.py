"""Arguments of the commands: which key is meant, until when one is valid."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from ops.admin.selection import AGE, age
from ops.errors import AdminFailed
from shared.keys import ApiKey, key_with_prefix, valid_keys_named

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
LIST = "`shrutlekh keys list` lists them."


def key_named(session: Session, prefix_or_name: str) -> ApiKey:
    """Return the key with this prefix, or the only valid key with this name.

    Raises:
        AdminFailed: there is none, or several valid keys have the name.
    """
    key = key_with_prefix(session, prefix_or_name)
    if key is not None:
        return key
    named = valid_keys_named(session, prefix_or_name)
    if not named:
        raise AdminFailed(f"There is no key with the prefix or name {prefix_or_name!r}. {LIST}")
    if len(named) > 1:
        prefixes = ", ".join(key.prefix for key in named)
        raise AdminFailed(f"Several valid keys are named {prefix_or_name!r}: give the prefix, {prefixes}.")
    return named[0]


def key_with(session: Session, prefix: str) -> ApiKey:
    """Return the key with this prefix.

    Raises:
        AdminFailed: there is none.
    """
    key = key_with_prefix(session, prefix)
    if key is None:
        raise AdminFailed(f"There is no key with the prefix {prefix!r}. {LIST}")
    return key


def moment_of(text: str, present: datetime) -> datetime:
    """Return the time that ``--expires`` means: an age from now on, a date (its beginning in UTC) or a time.

    Raises:
        typer.BadParameter: it means none, or one that has passed.
    """
    hint = "--expires"
    if AGE.fullmatch(text.strip().lower()):
        try:
            return present + _positive(age(text))
        except OverflowError as error:
            raise typer.BadParameter(f"{text!r} is too far away.", param_hint=hint) from error
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is neither an age such as 90d nor a date such as 2027-01-31.", param_hint=hint
        ) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment <= present:
        raise typer.BadParameter(f"{text} has passed.", param_hint=hint)
    return moment


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise typer.BadParameter("A key that expires at once is of no use.", param_hint="--expires")
    return span
