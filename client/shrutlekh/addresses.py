"""Host names, addresses and URLs."""

import ipaddress

import httpx


def is_loopback(host: str) -> bool:
    """Whether the host of a URL or of a listener is this machine alone: 127.0.0.0/8, ::1 or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def absolute(url: str, link: str) -> str:
    """Return the absolute URL of a link in an answer, which is a path on the service's host.

    Args:
        url: of the service, with the path prefix of a proxy if there is one.
        link: the path. Without that prefix it is taken as below ``url``: the proxy may not tell the service.
    """
    base = httpx.URL(url)
    prefix = base.path.rstrip("/")
    path = link if f"{link}/".startswith(f"{prefix}/") else prefix + link
    return str(base.join(path))
