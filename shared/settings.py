"""Every setting of the service, read from the environment with the prefix ``SHRUTLEKH_``."""

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MODELS_BESIDE_THE_CODE = Path(__file__).resolve().parent.parent / "models"


class Settings(BaseSettings):
    """One immutable object, made once by whoever starts a process and handed down.

    Nothing reads it at import time. ``docs/settings.md`` lists each field; a test holds the two
    together.
    """

    model_config = SettingsConfigDict(
        env_prefix="SHRUTLEKH_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    data_dir: Path = Field(Path("data"), description="Folder for the SQLite file and the stored recordings.")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL. Empty means SQLite in `data_dir`. Postgres: `postgresql+psycopg://...`.",
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis of the queue: `redis://`, `rediss://` or `unix:///path?db=0`.",
    )
    models_dir: Path = Field(
        MODELS_BESIDE_THE_CODE, description="Folder with a folder for each installed model."
    )
    default_model: str = Field("hi-ctc-base", description="Model of a job that names none.")

    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the API listens on.")
    cors_origins: Annotated[list[str], NoDecode] = Field(
        [], description="Origins, separated by commas, whose pages may call the API from a browser."
    )
    max_upload_bytes: int = Field(
        2 * 1024**3, ge=1, description="Largest recording in bytes; a larger one is refused while it arrives."
    )
    disk_reserve_bytes: int = Field(
        256 * 1024**2,
        ge=0,
        description="Room that uploads leave free on the disk; one that would eat into it gets a 507.",
    )
    queue_limit: int = Field(
        100_000, ge=0, description="Jobs that may wait at most; one more gets a 429. 0 sets no limit."
    )
    max_wait_seconds: float = Field(60.0, ge=0, description="Longest `?wait=` that a poll may ask for.")
    simple_wait_seconds: float = Field(
        600.0,
        gt=0,
        description="How long `/transcribe/` and `/visualize/` wait before they hand out the job.",
    )

    max_audio_seconds: float = Field(6 * 3600.0, gt=0, description="Longest recording in seconds of audio.")
    max_attempts: int = Field(3, ge=1, le=20, description="Attempts at a job before it fails for good.")
    lease_seconds: float = Field(
        60.0, gt=0, description="How long a worker may stay silent before its job goes back to the queue."
    )
    attempt_base_seconds: float = Field(
        300.0, gt=0, description="Longest attempt at a job, not counting what its audio adds."
    )
    attempt_seconds_per_audio_second: float = Field(
        4.0, ge=0, description="What each second of audio adds to the longest attempt."
    )
    sweep_seconds: float = Field(5.0, gt=0, description="Pause between two rounds of the sweeper.")
    orphan_seconds: float = Field(
        3600.0,
        gt=0,
        description="Age at which a file without a job is deleted: what a crash left of an upload.",
    )
    retention_days: float | None = Field(
        None,
        gt=0,
        description="Days after its end at which a job is erased with its recording. Empty keeps everything.",
    )

    worker_processes: int = Field(
        0, ge=0, description="Worker processes. 0 means one for each CPU this process may use."
    )
    worker_threads: int = Field(
        0, ge=0, description="ONNX Runtime threads of a worker process. 0 shares the CPUs out evenly."
    )
    worker_memory_bytes: int = Field(
        4 * 1024**3,
        ge=0,
        description="Memory a worker process may allocate at most; in a container its share. 0: no limit.",
    )
    drain_seconds: float = Field(
        20.0,
        ge=0,
        description="How long a worker told to stop goes on with its job before it gives it back.",
    )
    heartbeat_seconds: float = Field(
        2.0, gt=0, description="Pause between two heartbeats of a worker; five missed and it counts as gone."
    )

    worker_metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of a worker's `/metrics` on `host`. 0 serves none."
    )
    sweeper_metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of the sweeper's `/metrics` on `host`. 0 serves none."
    )

    otlp_endpoint: str = Field(
        "",
        description="Collector of traces by OTLP over HTTP (`http://collector:4318`). Empty sends none.",
    )

    log_level: str = Field("INFO", description="Least severe log line that is written.")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if isinstance(value, str):
            return [origin.strip() for origin in value.split(",") if origin.strip()]
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        level = value.upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError("must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
        return level

    @cached_property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'shrutlekh.db'}"

    @property
    def files_dir(self) -> Path:
        """Folder of the stored recordings."""
        return self.data_dir / "files"

    @property
    def heartbeat_expiry(self) -> float:
        """Seconds after which a silent worker counts as gone."""
        return 5 * self.heartbeat_seconds
