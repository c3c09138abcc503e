"""``python -m worker.health``, the health check of a worker's container."""

import os
import socket
import subprocess
import sys

from redis import Redis

from shared.presence import WORKERS, beat


def check(redis_url: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SHRUTLEKH_REDIS_URL": redis_url}
    return subprocess.run(
        [sys.executable, "-m", "worker.health"], env=environment, capture_output=True, text=True
    )


def test_healthy_while_a_process_of_this_machine_beats(redis_server: str) -> None:
    redis = Redis.from_url(redis_server)
    redis.delete(WORKERS)
    beat(redis, "elsewhere:1:a", 10)
    refused = check(redis_server)
    assert refused.returncode == 1
    assert "It is still warming up, or it hangs" in refused.stderr
    beat(redis, f"{socket.gethostname()[:64]}:1:a", 10)
    assert check(redis_server).returncode == 0
    redis.delete(WORKERS)


def test_not_healthy_without_redis() -> None:
    refused = check("redis://127.0.0.1:1/0")
    assert refused.returncode == 1
    assert "Redis does not answer" in refused.stderr
    assert "Traceback" not in refused.stderr
