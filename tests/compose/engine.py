"""A Docker engine with Compose: the machine's own, or one that a kit brings up."""

import os
import shutil
import subprocess
from pathlib import Path

KIT = "SHRUTLEKH_DOCKER_KIT"
KIT_PLACES = ("/opt/docker-next/bin", "/usr/local/bin", "/usr/bin")


class NoEngine(Exception):
    """There is no Docker engine, and none can be brought up."""


def find_engine(root: Path) -> dict[str, str]:
    """The environment in which ``docker compose`` works.

    Raises:
        NoEngine: see there.
    """
    for environment in _environments():
        if _answers(environment):
            return environment
    kit = Path(os.environ.get(KIT) or root.parent / "shared" / "docker-kit")
    if not (kit / "up.sh").is_file():
        raise NoEngine(f"No Docker engine answers, and {kit} has no up.sh; {KIT} names another folder.")
    subprocess.run([kit / "up.sh"], check=True, env=os.environ | {"NEXT": "1"})
    for environment in _environments():
        if _answers(environment):
            return environment
    raise NoEngine("The kit's engine does not answer.")


def _environments() -> list[dict[str, str]]:
    own = dict(os.environ)
    path = own.get("PATH", "")
    return [own, *({**own, "PATH": f"{place}:{path}"} for place in KIT_PLACES)]


def _answers(environment: dict[str, str]) -> bool:
    docker = shutil.which("docker", path=environment.get("PATH"))
    if docker is None:
        return False
    asked = ([docker, "info"], [docker, "compose", "version"])
    return all(subprocess.run(line, env=environment, capture_output=True).returncode == 0 for line in asked)
