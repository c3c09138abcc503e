"""A Compose project of its own, beside whatever else runs on the machine."""

import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]


class Project:
    """The stack of docker-compose.yml with the settings of .env.example and ``settings``, on a free port."""

    def __init__(self, engine: dict[str, str], folder: Path, settings: Mapping[str, str]) -> None:
        self.name = f"shrutlekh-test-{secrets.token_hex(3)}"
        self.url = f"http://127.0.0.1:{(port := _free_port())}"
        folder.mkdir(parents=True, exist_ok=True)
        env_file = folder / "env"
        lines = [f"{name}={value}" for name, value in settings.items()]
        example = (ROOT / ".env.example").read_text(encoding="utf-8")
        env_file.write_text("\n".join([example, f"PUBLISH_PORT={port}", *lines, ""]), encoding="utf-8")
        self.environment = engine | {
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_ENV_FILES": str(env_file),
            "SHRUTLEKH_ENV_FILE": str(env_file),
        }

    def compose(self, *arguments: str) -> str:
        """Run ``docker compose``; its standard output.

        Raises:
            subprocess.CalledProcessError: it failed; what it said is printed.
        """
        return self.run("docker", "compose", *arguments)

    def run(self, *line: str) -> str:
        """Run a command in the project's environment. Raises as :meth:`compose`."""
        done = subprocess.run(
            line, env=self.environment, cwd=ROOT, capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-8000:], sep="\n")
            done.check_returncode()
        return done.stdout

    def containers(self, service: str) -> list[str]:
        """Ids of the running containers of a service."""
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, container: str, what: str) -> str:
        """One field of a container, as a Go template names it."""
        return self.run("docker", "inspect", "--format", f"{{{{{what}}}}}", container).strip()

    def sql(self, statement: str) -> str:
        """What Postgres answers, unadorned."""
        psql = ("psql", "--username=shrutlekh", "--dbname=shrutlekh", "--tuples-only", "--no-align")
        return self.compose(
            "exec", "-T", "postgres", *psql, "--set=ON_ERROR_STOP=1", "--command", statement
        ).strip()

    def ready(self) -> dict[str, Any] | None:
        """The checks of ``/readyz``; None while nobody answers."""
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)
        except httpx.TransportError:
            return None
        checks: dict[str, Any] = answer.json()["checks"]
        return checks | {"ready": answer.status_code == 200}

    def wait(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Look until ``condition`` holds.

        Raises:
            AssertionError: it does not within ``seconds``.
        """
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
            time.sleep(0.2)

    def remove(self) -> None:
        """Containers, networks and volumes go."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
