"""Hosts with a network between them: Linux network namespaces, each with a link to this one."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import missing

FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


@dataclass(frozen=True)
class Host:
    """A host whose only link leads here.

    Attributes:
        name: of its namespace.
        link: our end of the link.
        here: our address on it.
        ahead: seconds that its clock is ahead of ours.
    """

    name: str
    link: str
    here: str
    ahead: int = 0

    @property
    def through(self) -> Sequence[str]:
        """The beginning of a command that runs there."""
        inside = ["ip", "netns", "exec", self.name]
        if not self.ahead:
            return inside
        faked = {
            "LD_PRELOAD": str(_faketime()),
            "FAKETIME": f"{self.ahead:+}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        return [*inside, "env", *(f"{name}={value}" for name, value in faked.items())]

    def cut_off(self) -> None:
        """Drop all packets, without a word to either side."""
        _ip("link", "set", self.link, "down")

    def reconnect(self) -> None:
        """Let packets through again."""
        _ip("link", "set", self.link, "up")


@contextmanager
def hosts(*ahead: int) -> Iterator[list[Host]]:
    """Make hosts whose clocks are so many seconds ahead."""
    if not shutil.which("ip") or os.geteuid() != 0:
        missing("the right to make network namespaces (root, iproute2)")
    made: list[Host] = []
    try:
        for number, seconds in enumerate(ahead):
            mark = secrets.token_hex(3)
            host = Host(f"shr-{mark}", f"shr{mark}", f"10.213.{number}.1", seconds)
            _ip("netns", "add", host.name)
            made.append(host)
            _ip("link", "add", host.link, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            _ip("address", "add", f"{host.here}/30", "dev", host.link)
            _ip("-n", host.name, "address", "add", f"10.213.{number}.2/30", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", host.name, "link", "set", device, "up")
            host.reconnect()
        yield made
    finally:
        for host in made:
            _ip("netns", "delete", host.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


def _faketime() -> Path:
    found = next(Path("/").glob(FAKETIME.lstrip("/")), None)
    if found is None:
        missing("libfaketime")
    return found
