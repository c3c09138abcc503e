"""Hosts of URLs and listeners."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether the host of a URL or of a listener is this machine alone: 127.0.0.0/8, ::1 or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
