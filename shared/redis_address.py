"""Where Redis is: one server, or the Sentinels that know which server is the master now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SENTINEL_PORT = 26379
FORMS = (
    "redis://HOST:6379/0, rediss://:PASSWORD@HOST:6379/0 (TLS), unix:///path?db=0, or "
    "redis+sentinel://:PASSWORD@HOST:26379,HOST:26379/0?master=NAME (rediss+sentinel: TLS)"
)
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class Sentinels:
    """A master that Sentinels watch.

    Attributes:
        hosts: host and port of each Sentinel.
        master: the name of the master.
        server: arguments of the connections to the master: ``db``, ``username``, ``password`` and TLS.
        own: arguments of the connections to the Sentinels.
    """

    hosts: tuple[tuple[str, int], ...]
    master: str
    server: Mapping[str, Any] = field(repr=False)
    own: Mapping[str, Any] = field(repr=False)

    @property
    def tls(self) -> dict[str, Any]:
        """The TLS arguments, empty without TLS."""
        return {name: value for name, value in self.own.items() if name in _TLS_FILES}

    @property
    def has_tls(self) -> bool:
        """Whether the connections use TLS."""
        return bool(self.own.get("ssl"))

    @property
    def broker_url(self) -> str:
        """The URLs of the Sentinels as Kombu writes them: alternatives, each with the master's login."""
        user, password = self.server.get("username"), self.server.get("password")
        login = f"{quote(user or '', safe='')}:{quote(password, safe='')}@" if password else ""
        return ";".join(f"sentinel://{login}{host}:{port}/{self.server['db']}" for host, port in self.hosts)


def sentinels_of(url: str) -> Sentinels | None:
    """Parse the URL of a master behind Sentinels; None for the URL of one server.

    The host may be several, with commas between them. The path is the number of the database. The query has
    ``master``, and may have ``sentinel_username``, ``sentinel_password``, ``ssl_ca_certs``, ``ssl_certfile``
    and ``ssl_keyfile``.

    Raises:
        ValueError: the URL has no master, no host, or what it does not know.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"redis+sentinel", "rediss+sentinel"}:
        return None
    login, _, places = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query))
    master = query.pop("master", "")
    if not master:
        raise ValueError("the URL of Sentinels must end with ?master=NAME")
    own: dict[str, Any] = {}
    for name in ("username", "password"):
        if f"sentinel_{name}" in query:
            own[name] = query.pop(f"sentinel_{name}")
    files = {name: query.pop(name) for name in _TLS_FILES if name in query}
    if query:
        raise ValueError(f"the URL of Sentinels has an unknown parameter: {', '.join(sorted(query))}")
    if parts.scheme == "rediss+sentinel":
        own |= {"ssl": True} | files
    elif files:
        raise ValueError("the URL of Sentinels must begin with rediss+sentinel:// to use TLS")
    username, _, password = login.partition(":")
    server: dict[str, Any] = {"db": _database_of(parts.path)}
    if password:
        server["password"] = unquote(password)
    if username:
        server["username"] = unquote(username)
    server |= {name: value for name, value in own.items() if name.startswith("ssl")}
    return Sentinels(tuple(_host_of(place) for place in places.split(",")), master, server, own)


def _database_of(path: str) -> int:
    number = path.strip("/") or "0"
    if not number.isdecimal():
        raise ValueError("the path of the URL of Sentinels must be the number of a database")
    return int(number)


def _host_of(place: str) -> tuple[str, int]:
    parts = urlsplit(f"//{place.strip()}")
    if not parts.hostname:
        raise ValueError("the URL of Sentinels must name their hosts, with commas between them")
    return parts.hostname, parts.port or SENTINEL_PORT
