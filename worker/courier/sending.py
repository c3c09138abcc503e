"""Send one webhook: resolve the name, check the addresses, connect to exactly those."""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpcore
import httpx
import structlog

from shared.clock import now
from shared.destinations import Address, Destination, Policy, Refused
from shared.version import VERSION
from shared.webhooks import Claimed, Outcome, headers_of

RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
# Lookups at once. One whose time is over keeps its thread until the system gives up.
LOOKUPS = 16

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

_ERRORS: Mapping[type[Exception], str] = {
    httpcore.ConnectTimeout: "connection timed out",
    httpcore.TimeoutException: "timed out",
    httpcore.ProtocolError: "the answer is not HTTP",
}

log = structlog.get_logger(__name__)


class Sender:
    """Sends webhooks to where the policy allows.

    It follows no redirect, uses no proxy and reads no body. Nothing that it reports to the owner of a webhook
    tells of a network that the owner cannot see.

    Args:
        policy: where webhooks may go.
        resolve: looks up the addresses of a name; default: the system's resolver.
        verified_by: verifies the receivers' certificates; default: the usual authorities, or those of
            ``SSL_CERT_FILE``.
    """

    def __init__(
        self, policy: Policy, *, resolve: Resolve | None = None, verified_by: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._resolve = resolve or _Resolver()
        self._verified_by = verified_by or httpx.create_ssl_context()

    async def send(self, webhook: Claimed) -> Outcome:
        """Try a delivery once. Never raises for what a receiver does."""
        moment = now()
        began = time.perf_counter()
        status, retry_after, error = None, None, None
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                status, retry_after = await self._post(webhook, int(moment.timestamp()))
        except Refused as refused:
            error = str(refused)
        except TimeoutError:
            error = "timed out"
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as failure:
            error = _reason(failure)
        except Exception:  # a fault of ours: it counts as a try, so that the delivery ends some day
            log.exception("webhook_failed", delivery=str(webhook.id))
            error = "the service failed"
        return Outcome(moment, time.perf_counter() - began, status, error, retry_after)

    async def _post(self, webhook: Claimed, timestamp: int) -> tuple[int, float | None]:
        destination = Destination.parse(webhook.url)
        self._policy.check(destination)
        addresses = await self._addresses_of(destination)
        self._policy.check_addresses(destination, addresses)
        message_id = f"msg_{webhook.id.hex}"
        headers = {
            "Host": destination.authority,
            "User-Agent": f"Shrutlekh/{VERSION}",
            "Content-Type": "application/json",
            "Content-Length": str(len(webhook.body)),
            "Connection": "close",
            **headers_of(message_id, timestamp, webhook.body, webhook.secrets),
        }
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._verified_by, max_connections=1, network_backend=_Pinned(addresses)
        )
        url = httpcore.URL(
            scheme=destination.scheme, host=destination.host, port=destination.port, target=destination.target
        )
        timeouts = {"connect": CONNECT_SECONDS, "read": TOTAL_SECONDS, "write": TOTAL_SECONDS}
        async with (
            pool,
            pool.stream(
                "POST",
                url,
                headers=list(headers.items()),
                content=webhook.body,
                extensions={"timeout": timeouts},
            ) as response,
        ):
            return response.status, _retry_after(response.headers)

    async def _addresses_of(self, destination: Destination) -> Sequence[Address]:
        if destination.address is not None:
            return [destination.address]
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                return await self._resolve(destination.host, destination.port)
        except OSError as error:  # TimeoutError is one, too
            raise Refused("the name could not be resolved") from error


class _Resolver:
    """The system's resolver, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, "webhook-lookup")

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        def look_up() -> Sequence[Address]:
            # The final dot keeps the search list of resolv.conf out: example.org is not example.org.local.
            name = f"{host}." if "." in host else host
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))

        return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, whatever the name resolves to by now."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name, which is not resolved again
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers."""
        *others, last = map(str, self._addresses)
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
        return await self._network.connect_tcp(last, port, timeout, local_address, socket_options)


def _reason(failure: Exception) -> str:
    """Say why there was no response, in words that do not tell what is at the address."""
    for error, reason in _ERRORS.items():
        if isinstance(failure, error):
            return reason
    if isinstance(failure.__context__, ssl.SSLError) or isinstance(failure, ssl.SSLError):
        return "the certificate could not be verified, or TLS failed"
    return "the connection failed"


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date."""
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    if text.strip().isdecimal():
        return float(text[:9])
    with suppress(ValueError, OverflowError):
        date = parsedate_to_datetime(text)
        return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now()).total_seconds())
    return None
