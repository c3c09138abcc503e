"""A real server of the S3 protocol, moto's, as a process of its own that tests can freeze and kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.request import urlopen

import botocore.session

BUCKET = "recordings"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}


@dataclass
class S3Server:
    """A running server with one bucket. What it holds is in memory, and gone when it is started again."""

    port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, prefix: str = "", endpoint: str | None = None) -> dict[str, str]:
        """Settings of a service that stores its recordings here."""
        return {
            "files_url": f"s3://{BUCKET}/{prefix}".rstrip("/"),
            "s3_endpoint": endpoint or self.url,
            "s3_addressing": "path",
        }

    def environment(self, prefix: str = "") -> Mapping[str, str]:
        """Environment of a service that stores its recordings here."""
        settings = {f"SHRUTLEKH_{name.upper()}": value for name, value in self.settings(prefix).items()}
        return {**settings, **CREDENTIALS}

    def client(self) -> Any:
        """A client of the server that is not ours."""
        return botocore.session.get_session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def names(self, prefix: str = "") -> list[str]:
        """Names of all objects below a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def uploads(self) -> list[str]:
        """Names of all unfinished multipart uploads."""
        answer = self.client().list_multipart_uploads(Bucket=BUCKET)
        return [upload["Key"] for upload in answer.get("Uploads", ())]

    def kill(self) -> None:
        """Kill the server: connections to it are refused from now on."""
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        """Stop the server without closing anything: it accepts connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def s3_server(port: int = 0) -> Iterator[S3Server]:
    """Run a server with an empty bucket, on a free port by default."""
    if find_spec("moto") is None:
        from tests.conftest import missing

        missing("moto")
    port = port or _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    server = S3Server(port, process)
    try:
        _wait_for(server)
        server.client().create_bucket(Bucket=BUCKET)
        yield server
    finally:
        server.thaw()
        server.kill()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(server: S3Server, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError), urlopen(f"{server.url}/moto-api/", timeout=2):
            return
        assert server.process.poll() is None, "moto's server ended"
        time.sleep(0.1)
    raise TimeoutError("moto's server does not answer")
