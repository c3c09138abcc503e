"""A way to a service on which answers get lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def cutting(url: str, answers: int) -> Iterator[str]:
    """URL of a proxy to ``url`` that cuts the connection instead of passing on the first ``answers``."""
    place = urlsplit(url)
    left = answers
    lock = threading.Lock()

    def is_cut() -> bool:
        nonlocal left
        with lock:
            left -= 1
            return left >= 0

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((place.hostname or "", place.port or 80)) as service:
            threading.Thread(target=pass_on, args=(client, service), daemon=True).start()
            with suppress(OSError):
                while answer := service.recv(65536):
                    if is_cut():
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    client.sendall(answer)

    def listen(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    assert left < 0, "not as many answers came"


def pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
