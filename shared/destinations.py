"""Where webhooks may go: guards against server-side request forgery.

A webhook's URL comes from a client. Without a guard, the service would send requests for it to what only the
service can reach: itself, its database, the cloud's metadata service. So a webhook goes to public addresses
only, apart from receivers that the operator allows.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from shrutlekh_contract.webhook_urls import check_webhook_url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Other ports below this belong to services of the system, such as SSH and SMTP.
FIRST_UNPRIVILEGED_PORT: Final = 1024

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST_AND_PORT = re.compile(r"(\[[^\]]+\]|[^:\[\]]+)(?::(\d{1,5}))?")

# Networks whose addresses contain an IPv4 address, and by how many bits to shift to find it.
_EMBEDDING: Final = (
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, deprecated
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
# Refused, although Python calls (some of) them global.
_NEVER: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.88.99.0/24",  # 6to4 relays
            "64:ff9b:1::/48",  # local-use NAT64
            "100::/64",  # discard-only
            "2001::/23",  # IETF protocol assignments, among them Teredo and ORCHID
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
            "fec0::/10",  # site-local, deprecated
        ),
    )
)


class Refused(ValueError):
    """A webhook may not go there. The message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The server that a URL names.

    Attributes:
        host: a name in lower case without a trailing dot, or an address.
        address: the host's address, if the URL has one instead of a name.
        target: path and query.
    """

    scheme: str
    host: str
    port: int
    address: Address | None
    target: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            Refused: it is malformed, or spells its host in a way that programs read differently.
        """
        try:
            check_webhook_url(url)
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Refused(f"The webhook's URL is refused: {error}.") from error
        host, address = _host_of(parts.hostname or "")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], address, target)

    @property
    def authority(self) -> str:
        """The Host header: the host, and the port unless it is the scheme's."""
        host = f"[{self.host}]" if isinstance(self.address, ipaddress.IPv6Address) else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Exception:
    """A receiver that the operator allows: a name or a network, on one port or on all."""

    host: str | None
    network: Network | None
    port: int | None


class Policy:
    """Decides where webhooks may go.

    Args:
        allowed: entries of the setting ``webhook_allow``: names, addresses and networks, names and addresses
            optionally with a port.

    Raises:
        ValueError: an entry is malformed.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._exceptions = [_exception(entry) for entry in allowed]

    def check(self, destination: Destination) -> None:
        """Check what is known without resolving the name.

        Raises:
            Refused: a webhook may not go there.
        """
        if destination.address is not None:
            self.check_addresses(destination, [destination.address])
        elif not self._allows(destination, None):
            if destination.host == "localhost" or destination.host.endswith(".localhost"):
                raise Refused("The webhook's URL is refused: it names the service's own machine.")
            _check_port(destination.port)

    def check_addresses(self, destination: Destination, addresses: Sequence[Address]) -> None:
        """Check the addresses that the destination's name has at this moment.

        Raises:
            Refused: one of them is not public and not allowed.
        """
        if not addresses:
            raise Refused("The webhook's host has no address.")
        for address in addresses:
            if self._allows(destination, address):
                continue
            _check_port(destination.port)
            if not is_public(address):
                raise Refused("The webhook's URL is refused: its host's address is not public.")

    def _allows(self, destination: Destination, address: Address | None) -> bool:
        return any(
            one.port in (None, destination.port)
            and (
                one.host == destination.host
                if one.network is None
                else address is not None and address.version == one.network.version and address in one.network
            )
            for one in self._exceptions
        )


def is_public(address: Address) -> bool:
    """Return whether everybody reaches the same machine at this address: global, and for a single machine."""
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        for network, shift in _EMBEDDING:
            if address in network:
                embedded = ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
                return is_public(embedded)
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )


def _check_port(port: int) -> None:
    if port not in DEFAULT_PORTS.values() and port < FIRST_UNPRIVILEGED_PORT:
        raise Refused(
            f"The webhook's URL is refused: use port 80, 443 or one from {FIRST_UNPRIVILEGED_PORT} on."
        )


def _host_of(host: str) -> tuple[str, Address | None]:
    """Return the host of a URL in its one spelling, and the address if it is one."""
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError as error:
            raise Refused("The webhook's URL is refused: its host is not an address.") from error
        return str(address), address
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # programs read 127.1, 0177.0.0.1 and 2130706433 as IPv4 addresses
        try:
            number = ipaddress.IPv4Address(name)
        except ValueError as error:
            raise Refused("The webhook's URL is refused: write addresses as four decimal numbers.") from error
        return str(number), number
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise Refused("The webhook's URL is refused: its host is not a name.")
    return name, None


def _exception(entry: str) -> _Exception:
    if "/" in entry:
        return _Exception(None, ipaddress.ip_network(entry), None)
    if entry.count(":") > 1 and not entry.startswith("["):
        entry = f"[{entry}]"
    match = _HOST_AND_PORT.fullmatch(entry)
    if match is None:
        raise ValueError(f"{entry} is not a host, HOST:PORT or a network")
    host, address = _host_of(match[1].strip("[]"))
    port = None if match[2] is None else int(match[2])
    return _Exception(host, None if address is None else ipaddress.ip_network(str(address)), port)
