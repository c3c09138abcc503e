"""Exposure: the API's address, allowed origins, the database's password."""

import ipaddress
from pathlib import Path

from shrutlekh.addresses import is_loopback
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ops.doctor.findings import Area, Check, Finding, ok, problem, skipped, warning
from ops.installation import Installation

EXAMPLE_PASSWORD = "change-this-before-the-first-start"  # noqa: S105 - public, in .env.example
GUESSED = frozenset({"password", "postgres", "shrutlekh", "secret", "admin", "changeme", "123456"})
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def address(installation: Installation) -> Finding:
    """Who can reach the API? It has no accounts: everyone who reaches it may do everything."""
    host = installation.settings.host
    if is_loopback(host):
        return ok("The API listens on this machine alone.")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return warning(f"The API listens on {host} without a password.", _advice())
    if any(mark.exists() for mark in CONTAINER_MARKS):
        return ok(f"The API listens on {host} of its container; PUBLISH_ADDRESS says who reaches it.")
    where = "every address of this machine" if ip.is_unspecified else host
    who = "the whole internet may reach it" if ip.is_global else "anyone who reaches it may erase everything"
    return warning(f"The API listens on {where} and has no accounts: {who}.", _advice())


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
        "Listen on 127.0.0.1 (SHRUTLEKH_HOST, PUBLISH_ADDRESS) and put a proxy with TLS and authentication "
        "in front; if there is one, make sure that it cannot be bypassed."
    )


CHECKS = (
    Check(Area.EXPOSURE, "address", address),
    Check(Area.EXPOSURE, "origins", origins),
    Check(Area.EXPOSURE, "password", password),
)
