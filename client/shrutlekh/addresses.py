"""URLs of a service and what it links to."""

import httpx


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
