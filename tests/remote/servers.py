"""Servers as others run them: Redis with TLS and a password, Sentinels, PgBouncer in transaction mode."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import create_engine, make_url, text

from ops.service.instance import free_port
from tests.conftest import missing
from tests.worker.pool import wait_until

USER_OF_POSTGRES = "pgserver"  # that package makes it for its server, whose socket is for it alone


def open_folder(prefix: str) -> Path:
    """A temporary folder that servers under another user can read and write."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o777)
    return folder


@dataclass(frozen=True)
class Authority:
    """A certificate authority with a certificate for some addresses."""

    folder: Path
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert(*self.addresses)
        authority.cert_pem.write_to_path(self.root)
        certificate.private_key_pem.write_to_path(self.key)
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(self.certificate, append=True)
        for path in (self.root, self.key, self.certificate):
            path.chmod(0o644)

    @property
    def root(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"


@dataclass
class Server:
    """A running server program."""

    process: subprocess.Popen[bytes]
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12) + "/@:")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(20)


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        missing(name)
    return found


def start(command: Sequence[str], folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a program that writes its log into the folder, and that may not run as root."""
    with (folder / f"{name}.log").open("wb") as log:
        user = USER_OF_POSTGRES if os.geteuid() == 0 else None
        return subprocess.Popen(list(command), cwd=folder, stdout=log, stderr=log, user=user)


@contextmanager
def redis_with(
    folder: Path, *, password: str, tls: Authority | None = None, addresses: str = "127.0.0.1", more: str = ""
) -> Iterator[Server]:
    """Redis on TCP with a password, and with TLS alone if there is an authority."""
    port = free_port("127.0.0.1", 0)
    lines = [f"bind {addresses}", f'requirepass "{password}"', f'masterauth "{password}"', 'save ""', more]
    if tls is None:
        lines.append(f"port {port}")
    else:
        lines += ["port 0", f"tls-port {port}", "tls-auth-clients no", f"tls-ca-cert-file {tls.root}"]
        lines += [f"tls-cert-file {tls.certificate}", f"tls-key-file {tls.key}"]
    path = folder / f"redis-{port}.conf"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o666)
    process = start([program("redis-server"), str(path)], folder, path.stem)
    server = Server(process, port, password)
    secure = {} if tls is None else {"ssl": True, "ssl_ca_certs": str(tls.root)}
    redis = Redis("127.0.0.1", port, password=password, **secure)
    try:
        wait_until(lambda: _answers(redis), (folder / f"{path.stem}.log").read_text, 20)
        yield server
    finally:
        redis.close()
        server.stop()


@contextmanager
def sentinel_of(folder: Path, master_port: int, password: str, own_password: str) -> Iterator[Server]:
    """A Sentinel that alone decides about the master ``recordings``, fast."""
    port = free_port("127.0.0.1", 0)
    path = folder / f"sentinel-{port}.conf"
    path.write_text(
        f"port {port}\nbind 127.0.0.1\nrequirepass {own_password}\n"
        f"sentinel monitor recordings 127.0.0.1 {master_port} 1\n"
        f"sentinel auth-pass recordings {password}\n"
        "sentinel down-after-milliseconds recordings 500\n"
        "sentinel failover-timeout recordings 3000\n",
        encoding="utf-8",
    )
    path.chmod(0o666)
    process = start([program("redis-server"), str(path), "--sentinel"], folder, path.stem)
    server = Server(process, port, own_password)
    redis = Redis("127.0.0.1", port, password=own_password)
    try:
        wait_until(lambda: _answers(redis), (folder / f"{path.stem}.log").read_text, 20)
        # It can promote a replica only once it knows of one.
        wait_until(
            lambda: len(redis.sentinel_slaves("recordings")) == 1,
            (folder / f"{path.stem}.log").read_text,
            30,
        )
        yield server
    finally:
        redis.close()
        server.stop()


@contextmanager
def pgbouncer(folder: Path, postgres: str, tls: Authority, addresses: str = "127.0.0.1") -> Iterator[Server]:
    """PgBouncer in transaction mode before a Postgres: few connections for many clients, TLS, a password."""
    server_url = make_url(postgres)
    port = free_port("127.0.0.1", 0)
    password = secrets.token_urlsafe(12)
    host = str(server_url.query.get("host", server_url.host))
    (folder / "users.txt").write_text(f'"postgres" "{password}"\n', encoding="utf-8")
    path = folder / "pgbouncer.ini"
    path.write_text(
        f"""[databases]
* = host={host} port={server_url.port or 5432} user=postgres
[pgbouncer]
listen_addr = {addresses.replace(" ", ",")}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
server_reset_query =
client_tls_sslmode = require
client_tls_key_file = {tls.key}
client_tls_cert_file = {tls.certificate}
""",
        encoding="utf-8",
    )
    for written in (folder / "users.txt", path):
        written.chmod(0o644)
    process = start([program("pgbouncer"), str(path)], folder, "pgbouncer")
    server = Server(process, port, password)
    try:
        url = pooled_url(server, postgres, tls)
        wait_until(lambda: _is_open(url), (folder / "pgbouncer.log").read_text, 20)
        yield server
    finally:
        server.stop()


def pooled_url(server: Server, postgres: str, tls: Authority, host: str = "127.0.0.1") -> str:
    """URL of a database behind PgBouncer whose certificate is checked."""
    return (
        make_url("postgresql+psycopg://")
        .set(
            username="postgres",
            password=server.password,
            host=host,
            port=server.port,
            database=make_url(postgres).database,
            query={"sslmode": "verify-full", "sslrootcert": str(tls.root)},
        )
        .render_as_string(hide_password=False)
    )


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except (RedisError, OSError):
        return False


def _is_open(url: str) -> bool:
    engine = create_engine(url, connect_args={"prepare_threshold": None, "connect_timeout": 2})
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT 1")).scalar_one() == 1
    except Exception:  # noqa: BLE001 - it is asked again
        return False
    finally:
        engine.dispose()
