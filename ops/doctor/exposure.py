"""Exposure: the API's address, API keys, allowed origins, the database's password."""

import ipaddress
from datetime import timedelta
from pathlib import Path

from shrutlekh.quantities import counted
from shrutlekh_contract.hosts import is_loopback
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ops.doctor.findings import Area, Check, Finding, ok, problem, skipped, warning
from ops.installation import Installation
from shared.clock import now
from shared.keys import all_keys

EXAMPLE_PASSWORD = "change-this-before-the-first-start"  # noqa: S105 - public, in .env.example
GUESSED = frozenset({"password", "postgres", "shrutlekh", "secret", "admin", "changeme", "123456"})
EXPIRES_SOON = timedelta(days=14)
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def address(installation: Installation) -> Finding:
    """Who can reach the API? Unless keys are required, everyone who reaches it may do everything."""
    settings = installation.settings
    host = settings.published_host or settings.host
    if settings.keys_required:
        return ok(f"The API listens on {host} and requires API keys.")
    if is_loopback(host):
        return ok("The API listens on this machine alone.")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return warning(f"The API listens on {host} and requires no API keys.", _advice())
    if not settings.published_host and any(mark.exists() for mark in CONTAINER_MARKS):
        return ok(f"The API listens on {host} of its container; PUBLISH_ADDRESS says who reaches it.")
    where = "every address of this machine" if ip.is_unspecified else host
    who = "the whole internet may reach it" if ip.is_global else "anyone who reaches it may erase everything"
    return warning(f"The API listens on {where} and requires no API keys: {who}.", _advice())


def keys(installation: Installation) -> Finding:
    """Are there valid API keys where they are required, and do some expire soon?"""
    moment = now()
    with installation.database.read() as session:
        valid = [key for key in all_keys(session) if key.is_valid(moment)]
    if not valid and installation.settings.keys_required:
        return warning(
            "Requests need an API key, but there is none.",
            "Make one: `shrutlekh keys create NAME`, in the stack "
            "`docker compose exec worker python -m ops keys create NAME`.",
        )
    ending = [key for key in valid if key.expires_at is not None and key.expires_at < moment + EXPIRES_SOON]
    if ending:
        named = ", ".join(f"{key.prefix} ({key.name}) on {key.expires_at:%Y-%m-%d}" for key in ending)
        return warning(
            f"API keys expire soon: {named}.",
            "Replace them before: `shrutlekh keys create NAME --replaces PREFIX`.",
        )
    return ok(f"There {'is' if len(valid) == 1 else 'are'} {counted(len(valid), 'valid API key')}.")


def origins(installation: Installation) -> Finding:
    """Which web pages may call the API?"""
    allowed = installation.settings.cors_origins
    if "*" in allowed:
        return warning(
            "Any web page may call the API from a visitor's browser.",
            "List the origins that you trust in SHRUTLEKH_CORS_ORIGINS.",
        )
    return ok(f"Pages of {', '.join(allowed)} may call the API." if allowed else "No other page may call it.")


def password(installation: Installation) -> Finding:
    """Is it the example's, or easy to guess?"""
    try:
        url = make_url(installation.settings.database)
    except ArgumentError:
        return skipped("The database's URL cannot be read.")
    if installation.is_sqlite or not url.host:
        return skipped("The database is reached without a network.")
    advice = (
        "Change it in Postgres (`ALTER ROLE shrutlekh PASSWORD '...'`), then in .env or "
        "SHRUTLEKH_DATABASE_URL, and start the service again."
    )
    given = url.password
    if given == EXAMPLE_PASSWORD:
        return problem("The database's password is the one of .env.example, which everybody knows.", advice)
    if not given:
        return warning("The database is reached over the network without a password.", advice)
    if str(given).lower() in GUESSED | {url.username}:
        return warning("The database's password is easy to guess.", advice)
    return ok("The database's password is not the example's.")


def _advice() -> str:
    return (
        "Require API keys (SHRUTLEKH_REQUIRE_KEYS=auto), or listen on 127.0.0.1 (SHRUTLEKH_HOST, "
        "PUBLISH_ADDRESS) behind a proxy with authentication; if there is one, make sure that it cannot be "
        "bypassed."
    )


CHECKS = (
    Check(Area.EXPOSURE, "address", address),
    Check(Area.EXPOSURE, "keys", keys, needs=("schema",)),
    Check(Area.EXPOSURE, "origins", origins),
    Check(Area.EXPOSURE, "password", password),
)
