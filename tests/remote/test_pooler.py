"""The whole service behind PgBouncer in transaction mode, which has fewer connections than the service."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from migrations.schema import upgrade_configured
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.settings import Settings
from tests.remote.servers import Authority, pgbouncer, pooled_url
from tests.speech.sounds import write_model
from tests.stack.conftest import serving
from tests.worker.jobs import long_recording

POOLED = 4
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


def test_the_service_with_few_connections(
    folder: Path, authority: Authority, empty_postgres_url: str, tmp_path: Path
) -> None:
    write_model(tmp_path / "models" / "loudness", name="loudness")
    with pgbouncer(folder, empty_postgres_url, authority) as pooler:
        settings = {
            "SHRUTLEKH_DATABASE_URL": pooled_url(pooler, empty_postgres_url, authority),
            "SHRUTLEKH_DATABASE_POOLER": "true",
            "SHRUTLEKH_DATABASE_DIRECT_URL": empty_postgres_url,
            "SHRUTLEKH_MODELS_DIR": str(tmp_path / "models"),
            "SHRUTLEKH_DEFAULT_MODEL": "loudness",
            "SHRUTLEKH_WORKER_PROCESSES": "2",
        }
        with serving(tmp_path / "data", settings) as service, ThreadPoolExecutor(12) as pool:

            def transcript(number: int) -> str:
                content = long_recording(1 + number % 3)
                job = service.http.post("/v1/jobs", files={"file": (f"{number}.wav", content)}).json()
                while job["status"] in {"queued", "running"}:
                    job = service.http.get(f"/v1/jobs/{job['id']}", params={"wait": 5}).json()
                assert job["status"] == "succeeded", job
                listed = service.http.get("/v1/jobs", params={"limit": 5})
                assert listed.status_code == 200
                return service.http.get(f"/v1/jobs/{job['id']}/transcript", params={"format": "txt"}).text

            texts = list(pool.map(transcript, range(36)))
            assert all("नम मन तन" in text for text in texts)
            engine = create_engine(empty_postgres_url)
            with engine.connect() as connection:
                # PgBouncer's, this one, and those of other tests that share the server.
                database = "AND datname = current_database()"
                assert connection.scalar(text(f"{CONNECTIONS} {database}")) <= POOLED + 1
            engine.dispose()
            files = [("file", (f"{number}.wav", long_recording(1))) for number in range(5)]
            sent = service.http.post("/v1/batches", files=files)
            assert sent.status_code == 202, sent.text
            batch = sent.json()
            deadline = time.monotonic() + 60
            while batch["finished_at"] is None:
                assert time.monotonic() < deadline
                time.sleep(0.2)
                batch = service.http.get(f"/v1/batches/{batch['id']}").json()
            zipped: httpx.Response = service.http.get(f"/v1/batches/{batch['id']}/results.zip")
            assert zipped.status_code == 200
            assert service.http.delete(f"/v1/batches/{batch['id']}").status_code in {200, 204}
            assert service.http.get("/readyz").status_code == 200


def test_postgres_ends_what_hangs(postgres_url: str) -> None:
    database = Database(postgres_url, statement_seconds=0.3)
    with pytest.raises(DatabaseUnavailable) as caught, database.read() as session:
        session.execute(text("SELECT pg_sleep(20)"))
    assert isinstance(caught.value.__cause__, OperationalError)
    with database.read() as session:
        shown = {
            name: session.scalar(text(f"SHOW {name}"))
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "tcp_keepalives_idle")
        }
    assert shown["statement_timeout"] == "300ms"
    assert shown["idle_in_transaction_session_timeout"] == "1min"
    database.close()
    own = Database(f"{postgres_url}&options=-c statement_timeout=7000", statement_seconds=0.3)
    with own.read() as session:
        assert session.scalar(text("SHOW statement_timeout")) == "7s"
    own.close()


def test_migrations_want_postgres_itself(
    folder: Path, authority: Authority, empty_postgres_url: str, postgres_url: str
) -> None:
    with pgbouncer(folder, empty_postgres_url, authority) as pooler:
        old = Settings(database_url=pooled_url(pooler, empty_postgres_url, authority), database_pooler=True)
        with pytest.raises(CommandError, match="SHRUTLEKH_DATABASE_DIRECT_URL"):
            upgrade_configured(old)
        current = old.model_copy(update={"database_url": pooled_url(pooler, postgres_url, authority)})
        upgrade_configured(current)  # there is nothing to do
        upgrade_configured(old.model_copy(update={"database_direct_url": empty_postgres_url}))
        upgrade_configured(old)
