"""A server of this machine that speaks the hub's protocol and serves folders as repositories.

It answers what huggingface_hub asks: what a repository is, its tree, HEAD and GET of files with ranges. As on
the hub, large files redirect to another host, which must not get the token. A test can arm faults.
"""

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

LARGE: Final = (".bin", ".ckpt", ".gz", ".model", ".nemo", ".onnx", ".pt", ".safetensors")
"""Suffixes of files that the hub keeps outside git (Git LFS)."""


@dataclass(frozen=True)
class Asked:
    """A request that the server got."""

    host: str  # "hub" or "storage"
    method: str
    path: str
    range: str | None
    token: str | None


@dataclass
class Fault:
    """What goes wrong with the next requests whose path contains a text."""

    kind: str
    path: str
    value: int
    times: int


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    path: Path
    size: int
    sha256: str
    git: str
    large: bool

    @classmethod
    def of(cls, path: Path) -> "File":
        content = path.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return cls(path, len(content), hashlib.sha256(content).hexdigest(), git, path.name.endswith(LARGE))

    @property
    def digest(self) -> str:
        return self.sha256 if self.large else self.git


@dataclass
class Repository:
    """A repository with its commits."""

    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)  # commit by branch or tag
    card: dict[str, Any] | None = None
    tags: list[str] = field(default_factory=list)
    gated: bool = False
    private: bool = False

    def commit(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.revisions.get(revision)


@dataclass
class HubDouble:
    """The hub of a test.

    Attributes:
        url: for HF_ENDPOINT.
        requests: what was asked, the oldest first.
        tokens: those that may read private and gated repositories.
        page: what a server that is no hub answers.
        gone: names of files that are listed but are not there.
        names: name under which a file is listed, by its true name: for hostile names.
    """

    url: str = ""
    storage: str = ""
    requests: list[Asked] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    page: bytes | None = None
    closing: threading.Event = field(default_factory=threading.Event)

    def add(
        self,
        name: str,
        folder: Path,
        *,
        licence: str | None = None,
        revision: str = "main",
        gated: bool = False,
        private: bool = False,
    ) -> str:
        """Serve a folder as a new commit of a repository. Its files must not change. Returns the commit."""
        files = {
            path.relative_to(folder).as_posix(): File.of(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        repository = self.repositories.setdefault(name, Repository())
        commit = hashlib.sha1(repr((name, [(n, f.git) for n, f in files.items()])).encode()).hexdigest()
        repository.commits[commit] = files
        repository.revisions[revision] = commit
        repository.gated, repository.private = gated, private
        if licence is not None:
            repository.card, repository.tags = {"license": licence}, [f"license:{licence}"]
        return commit

    def cut(self, path: str, after: int, times: int = 1) -> None:
        """Close the connection after some bytes of the answer's body."""
        self.faults.append(Fault("cut", path, after, times))

    def reset(self, path: str, after: int, times: int = 1) -> None:
        """Reset the connection (RST) after some bytes of the answer's body."""
        self.faults.append(Fault("reset", path, after, times))

    def flip(self, path: str, place: int, times: int = 1) -> None:
        """Send a file with one bit changed."""
        self.faults.append(Fault("flip", path, place, times))

    def resize(self, path: str, size: int, times: int = 1) -> None:
        """Send a file with another size than the listed one."""
        self.faults.append(Fault("resize", path, size, times))

    def ignore_range(self, path: str, times: int = 1) -> None:
        """Send a whole file to somebody who asks for the rest of it."""
        self.faults.append(Fault("ignore_range", path, 0, times))

    def answer(self, path: str, status: int, times: int = 1) -> None:
        """Answer with a status such as 500."""
        self.faults.append(Fault("answer", path, status, times))

    def stall(self, path: str, after: int, times: int = 1) -> None:
        """Send nothing more after some bytes of the answer's body."""
        self.faults.append(Fault("stall", path, after, times))

    def hang(self, path: str, times: int = 1) -> None:
        """Answer nothing until the server closes."""
        self.faults.append(Fault("hang", path, 0, times))

    def take_fault(self, path: str, *kinds: str) -> Fault | None:
        for fault in self.faults:
            if fault.kind in kinds and fault.path in path and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def ranges(self, path: str) -> list[str | None]:
        """The ranges of all GET requests for the content of a file."""
        return [
            asked.range
            for asked in self.requests
            if asked.method == "GET" and asked.path.endswith(path) and "/api/" not in asked.path
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    hub: HubDouble
    host: str

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base)
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.hub.requests.append(Asked(self.host, self.command, path, self.headers.get("Range"), token))
        if self.hub.take_fault(path, "hang"):
            self.hub.closing.wait(60)
            self.close_connection = True
        elif fault := self.hub.take_fault(path, "answer"):
            self._refuse(fault.value, "", "armed by the test")
        elif self.hub.page is not None:
            self._send_head(200, {}, len(self.hub.page))
            self.wfile.write(self.hub.page)
        elif self.host == "storage":
            self._send_stored(path)
        elif path.startswith("/api/models/"):
            self._describe(path.removeprefix("/api/models/"), token)
        elif "/resolve/" in path:
            self._resolve(path, token)
        else:
            self._refuse(404, "", "no such page")

    def _find(self, name: str, revision: str, token: str | None) -> tuple[Repository, str] | None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and token not in self.hub.tokens):
            # Without a token the hub does not tell a private repository from a missing one.
            self._refuse(404 if token else 401, "RepoNotFound", "Invalid username or password.")
            return None
        commit = repository.commit(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repository, commit

    def _describe(self, path: str, token: str | None) -> None:
        """/api/models/{name}, .../revision/{revision}, .../tree/{revision}."""
        parts = path.split("/")
        name, kind, revision = "/".join(parts[:2]), *(parts[2:4] if len(parts) > 3 else ("revision", "main"))
        if (found := self._find(name, revision, token)) is None:
            return
        repository, commit = found
        files = {self.hub.names.get(name, name): file for name, file in repository.commits[commit].items()}
        if kind == "tree":
            self._send_json([_tree_entry(name, file) for name, file in files.items()])
            return
        self._send_json(
            {
                "id": name,
                "modelId": name,
                "sha": commit,
                "private": repository.private,
                "gated": "auto" if repository.gated else False,
                "tags": repository.tags,
                "cardData": repository.card,
                "siblings": [_sibling(name, file) for name, file in files.items()],
            }
        )

    def _resolve(self, path: str, token: str | None) -> None:
        """/{name}/resolve/{revision}/{file}."""
        name, _, rest = path.lstrip("/").partition("/resolve/")
        revision, _, file_name = rest.partition("/")
        if (found := self._find(name, revision, token)) is None:
            return
        repository, commit = found
        if repository.gated and token not in self.hub.tokens:
            self._refuse(403 if token else 401, "GatedRepo", "Access to this model is restricted.")
            return
        true_names = {listed: name for name, listed in self.hub.names.items()}
        file = repository.commits[commit].get(true_names.get(file_name, file_name))
        if file is None or file_name in self.hub.gone:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{file.digest}"'}
        if file.large:
            headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.digest}"'}
            headers["Location"] = f"{self.hub.storage}/{file.digest}/{file_name}"
            self._send_head(302, headers, 0)
        else:
            self._send_file(file, headers)

    def _send_stored(self, path: str) -> None:
        """/{sha256}/{file} of the other host."""
        digest = path.split("/")[1]
        for repository in self.hub.repositories.values():
            for files in repository.commits.values():
                for file in files.values():
                    if file.large and file.digest == digest:
                        self._send_file(file, {"ETag": f'"{digest}"'})
                        return
        self._refuse(404, "", "no such object")

    def _send_file(self, file: File, headers: dict[str, str]) -> None:
        content = file.path.read_bytes()
        asked = unquote(urlsplit(self.path).path)
        if self.command == "GET" and (fault := self.hub.take_fault(asked, "flip", "resize")):
            if fault.kind == "flip":
                changed = bytes([content[fault.value] ^ 1])
                content = content[: fault.value] + changed + content[fault.value + 1 :]
            else:
                content = content[: fault.value].ljust(fault.value, b"\0")
        status, start = 200, 0
        wanted = self.headers.get("Range")
        if wanted and not self.hub.take_fault(asked, "ignore_range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                self._send_head(416, {"Content-Range": f"bytes */{len(content)}"}, 0)
                return
            status = 206
            headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self._send_head(status, {"Accept-Ranges": "bytes", **headers}, len(content) - start)
        if self.command == "GET":
            self._send_body(content[start:], self.hub.take_fault(asked, "cut", "reset", "stall"))

    def _send_body(self, body: bytes, fault: Fault | None) -> None:
        try:
            self.wfile.write(body if fault is None else body[: fault.value])
            self.wfile.flush()
        except OSError:  # the client went away
            self.close_connection = True
        if fault is None:
            return
        self.close_connection = True
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault.kind == "stall":
            self.hub.closing.wait(60)
        else:
            self.connection.shutdown(socket.SHUT_WR)

    def _send_json(self, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self._send_head(200, {"Content-Type": "application/json"}, len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"error": message}).encode()
        more = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self._send_head(status, {"Content-Type": "application/json", **more, **(headers or {})}, len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def _send_head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(HTTPStatus(status))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _sibling(name: str, file: File) -> dict[str, Any]:
    lfs = {"sha256": file.sha256, "size": file.size, "pointerSize": 130}
    return {"rfilename": name, "size": file.size, "blobId": file.git} | ({"lfs": lfs} if file.large else {})


def _tree_entry(name: str, file: File) -> dict[str, Any]:
    lfs = {"oid": file.sha256, "size": file.size, "pointerSize": 130}
    entry = {"type": "file", "path": name, "size": file.size, "oid": file.git}
    return entry | ({"lfs": lfs} if file.large else {})


@contextmanager
def running_hub() -> Iterator[HubDouble]:
    """Run the two hosts of a hub."""
    hub = HubDouble()
    servers = [_server(hub, "hub"), _server(hub, "storage")]
    hub.url, hub.storage = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _server(hub: HubDouble, host: str) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "host": host})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    return server
