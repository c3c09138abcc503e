"""A receiver of webhooks that fails now and then, and a trap that no webhook may reach."""

import random
import socket
import threading
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shrutlekh.webhooks import InvalidWebhook, verify

# What the first try for a recording meets. All others are accepted: the second pause is half a minute.
FIRST_ANSWERS = ("accept",) * 6 + ("error", "hang", "redirect", "break")
HANG_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Received:
    """A request that was accepted.

    Attributes:
        key: of the submission, from the path.
        job_id: that the body names; None if the signature is wrong.
        status: that the body names.
        webhook_id: of the header.
    """

    key: str
    job_id: str | None
    status: str | None
    webhook_id: str | None


class Receiver:
    """Listens on a port of its own in threads of its own.

    Attributes:
        received: what was accepted, by the key of the submission.
        tries: number of requests.
        trapped: requests that came to the trap, which redirects lead to.
    """

    def __init__(self, seed: int) -> None:
        self.received: defaultdict[str, list[Received]] = defaultdict(list)
        self.tries = 0
        self.trapped: list[str] = []
        self.secret = ""
        self._seed = seed
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(self._receive))
        self._trap = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(self._fall))
        for server in (self._server, self._trap):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()

    @property
    def allowed(self) -> str:
        """The entry of the setting ``webhook_allow``: the receiver, and not the trap beside it."""
        return f"127.0.0.1:{self._server.server_port}"

    def url_for(self, key: str) -> str:
        """Where the webhook of a submission goes."""
        return f"http://{self.allowed}/{key}"

    def close(self) -> None:
        """Stop listening."""
        for server in (self._server, self._trap):
            server.shutdown()
            server.server_close()

    def _receive(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        key = request.path.removeprefix("/")
        with self._lock:
            self.tries += 1
            is_first = key not in self._seen
            self._seen.add(key)
        rng = random.Random(zlib.crc32(f"{self._seed} {key}".encode()))
        answer = rng.choice(FIRST_ANSWERS) if is_first else "accept"
        if answer == "break":
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        if answer == "error":
            request.send_response(500)
        elif answer == "redirect":
            request.send_response(307)
            request.send_header("Location", f"http://127.0.0.1:{self._trap.server_port}/{key}")
        else:
            if answer == "hang":
                time.sleep(HANG_SECONDS)
            with self._lock:
                self.received[key].append(self._read(key, dict(request.headers), body))
            request.send_response(204)
        request.end_headers()

    def _read(self, key: str, headers: dict[str, str], body: bytes) -> Received:
        webhook_id = headers.get("webhook-id")
        try:
            data: dict[str, Any] = verify(self.secret, headers, body)["data"]
        except InvalidWebhook:
            return Received(key, None, None, webhook_id)
        return Received(key, str(data["id"]), str(data["status"]), webhook_id)

    def _fall(self, request: BaseHTTPRequestHandler, _: bytes) -> None:
        self.trapped.append(request.path)
        request.send_response(204)
        request.end_headers()

    @staticmethod
    def _handler(answer: Any) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            do_GET = do_POST  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing is logged."""

        return Handler
