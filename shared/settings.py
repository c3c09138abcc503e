"""Every setting of the service, read from the environment with the prefix ``SHRUTLEKH_``."""

import ipaddress
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from shrutlekh_contract.hosts import is_loopback
from shrutlekh_contract.models_folder import default_model_of

from shared.destinations import Policy
from shared.redis_address import sentinels_of

MODELS_BESIDE_THE_CODE = Path(__file__).resolve().parent.parent / "models"
LONGEST_PREFIX = 200
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")
_PLAIN_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")


def path_prefix(text: str) -> str:
    """Return a path prefix without a slash at its end, so that a path can follow; empty for "" and "/".

    Raises:
        ValueError: the text is not a plain absolute path. Anything else could lead links to another host or
            break out of the documentation page.
    """
    prefix = text.removesuffix("/")
    if len(prefix) > LONGEST_PREFIX or not _PLAIN_PATH.fullmatch(prefix):
        raise ValueError(
            f"must be a path such as /shrutlekh: letters, digits and ._~- between slashes, at most "
            f"{LONGEST_PREFIX} characters"
        )
    return prefix


class Settings(BaseSettings):
    """The service's settings: immutable, created once by a process's entry point and passed down.

    No module reads settings at import time. A test checks that ``docs/settings.md`` repeats every field with
    its default and description.
    """

    model_config = SettingsConfigDict(
        env_prefix="SHRUTLEKH_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # URLs hold passwords
    )

    data_dir: Path = Field(
        Path("data"),
        description="Folder for the SQLite database, the stored recordings and the drain mark. "
        "The API, the workers and the sweeper must share it.",
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy URL of the database. Empty: SQLite in `data_dir`. "
        "Set `postgresql+psycopg://...` to run workers on several machines.",
    )
    database_pooler: bool = Field(
        False,
        description="Whether `database_url` is that of a pooler in transaction mode, such as PgBouncer. "
        "Statements are then not prepared, and timeouts must be set in Postgres itself.",
    )
    database_direct_url: str = Field(
        "",
        description="URL of Postgres itself, for migrations, if `database_url` is that of a pooler.",
    )
    database_statement_seconds: float = Field(
        30.0,
        ge=0,
        description="Postgres ends a statement that takes longer; migrations excepted. 0: no limit. Raise it "
        "if batches of thousands of recordings fail on a slow database.",
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis that carries the queue and the heartbeats: "
        "`redis://`, `rediss://` (TLS), `unix:///path?db=0`, or "
        "`redis+sentinel://:PASSWORD@HOST,HOST/0?master=NAME`.",
    )
    models_dir: Path = Field(
        MODELS_BESIDE_THE_CODE,
        description="Folder with one subfolder per installed model. Set it to keep models outside the code.",
    )
    default_model: str = Field(
        "",
        validate_default=True,
        description="Model for jobs that do not name one. "
        "Workers load it at startup and do not start without it. "
        "Empty: the one that `shrutlekh models default` chose, else `hi-ctc-base`.",
    )

    host: str = Field(
        "127.0.0.1",
        description="Address that the API and the metrics servers listen on. "
        "Set `0.0.0.0` in a container or behind a proxy on another machine.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Port that the API listens on.")
    published_host: str = Field(
        "",
        description="Address that the API is published under, if that is not `host`: by a container engine, "
        "for example. It only decides whether `require_keys` is on.",
    )
    require_keys: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether requests need an API key. `auto`: unless the API listens on this machine alone. "
        "Set `never` only if a proxy in front admits nobody else.",
    )
    rate_limit_per_minute: int = Field(
        0,
        ge=0,
        description="Most requests of an API key in a minute. More are rejected with 429. 0: no limit. "
        "`shrutlekh keys create` sets other limits for single keys.",
    )
    tenant_jobs_waiting: int = Field(
        0,
        ge=0,
        description="Most queued jobs of a tenant. Further submissions are rejected with 429. 0: no limit.",
    )
    tenant_audio_hours_per_day: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Hours of audio that a tenant may have transcribed in a day (UTC) before further "
        "submissions are rejected with 429. 0: no limit.",
    )
    cors_origins: Annotated[list[str], NoDecode] = Field(
        [],
        description="Comma-separated origins whose pages may call the API from a browser. Empty: none. "
        "`*`: any.",
    )
    root_path: str = Field(
        "",
        description="Path prefix under which a proxy publishes the API, such as `/shrutlekh`. Links begin "
        "with it. Set it if the proxy sends no `X-Forwarded-Prefix`, whether or not it strips the prefix.",
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        ["127.0.0.1", "::1"],
        description="Comma-separated addresses and networks of proxies whose `X-Forwarded-For`, `-Proto` and "
        "`-Prefix` headers are believed. Set it if the proxy runs on another machine or in a container. "
        "`none`: no proxy.",
    )
    max_upload_bytes: int = Field(
        2 * 1024**3,
        ge=1,
        description="Largest recording in bytes. Larger uploads are rejected with 413 while they arrive. "
        "Raise it for longer uncompressed recordings.",
    )
    disk_reserve_bytes: int = Field(
        256 * 1024**2,
        ge=0,
        description="Disk space in bytes that uploads leave free. Uploads that would use it are rejected "
        "with 507. Raise it if the database shares the disk and grows fast.",
    )
    files_url: str = Field(
        "",
        description="Where recordings are stored: `s3://bucket` or `s3://bucket/prefix` for a bucket of "
        "S3-compatible storage. Empty: the folder `files` in `data_dir`, which the API, the workers and the "
        "sweeper must then share.",
    )
    s3_endpoint: str = Field(
        "",
        description="URL of the S3-compatible storage, such as `https://minio.example.org:9000`. "
        "Empty: that of AWS.",
    )
    s3_region: str = Field(
        "",
        description="Region of the bucket. Empty: `AWS_DEFAULT_REGION`, else `us-east-1`.",
    )
    s3_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto",
        description="Whether requests name the bucket in the URL's path or in its host. "
        "Set `path` for MinIO, Ceph and others without a DNS name for each bucket.",
    )
    scratch_dir: Path | None = Field(
        None,
        description="Folder for archives that are extracted and recordings that are transcribed, while "
        "`files_url` keeps recordings elsewhere. Empty: `scratch` in `data_dir`.",
    )
    queue_limit: int = Field(
        100_000,
        ge=0,
        description="Most jobs in the queue. Further submissions are rejected with 429. 0: no limit. "
        "Lower it to tell clients sooner that the workers are behind.",
    )
    batch_limit: int = Field(
        10_000,
        ge=1,
        description="Most recordings in a batch. Larger batches are rejected with 413. "
        "Lower it if the database is slow: all jobs of a batch are inserted in one transaction.",
    )
    max_batch_bytes: int = Field(
        32 * 1024**3,
        ge=1,
        description="Most bytes in the recordings of a batch, extracted, and in its archive. Larger batches "
        "are rejected with 413 before anything is extracted. Raise it for more or longer recordings.",
    )
    max_wait_seconds: float = Field(
        60.0,
        ge=0,
        description="Longest `?wait=` of a long poll. Longer ones are cut to this. "
        "Keep it below the timeout of a proxy in front of the API. 0: no long polls.",
    )
    simple_wait_seconds: float = Field(
        600.0,
        gt=0,
        description="How long `/transcribe/`, `/visualize/` and `/v1/audio/transcriptions` wait for their "
        "job before they answer 504 with a link to it. Keep it below the timeout of a proxy in front of the "
        "API.",
    )

    max_audio_seconds: float = Field(
        6 * 3600.0,
        gt=0,
        description="Longest recording in seconds of audio. Longer ones fail with `audio_too_long`.",
    )
    max_attempts: int = Field(
        3,
        ge=1,
        le=20,
        description="Attempts at a job before it fails with `attempts_exhausted`. "
        "Raise it if machines or connections often fail.",
    )
    lease_seconds: float = Field(
        60.0,
        gt=0,
        description="How long a worker may go without renewing its lease before its job returns to the "
        "queue. Lower: faster recovery from crashes. Keep it above the longest step of a job.",
    )
    attempt_base_seconds: float = Field(
        300.0,
        gt=0,
        description="Time limit of an attempt, excluding the allowance for its audio. "
        "Raise it if attempts end with `attempt_timed_out` on slow machines.",
    )
    attempt_seconds_per_audio_second: float = Field(
        4.0,
        ge=0,
        description="Seconds added to the time limit of an attempt per second of decoded audio. "
        "Raise it for models slower than real time.",
    )
    sweep_seconds: float = Field(
        5.0,
        gt=0,
        description="Pause between two rounds of the sweeper. Lower: expired leases and lost messages are "
        "repaired sooner, at the cost of more queries.",
    )
    orphan_seconds: float = Field(
        3600.0,
        gt=0,
        description="Age at which a stored file without a job, such as an interrupted upload, is deleted. "
        "Raise it if uploads pause for longer.",
    )
    retention_days: float | None = Field(
        None,
        gt=0,
        description="Days after a job ends until it is erased with its recording. "
        "Empty: jobs are kept forever.",
    )

    worker_processes: int = Field(
        0,
        ge=0,
        description="Processes of a worker. 0: one per usable CPU, but at most two if they run models on a "
        "GPU. Lower it to save memory.",
    )
    worker_models: Annotated[list[str], NoDecode] = Field(
        [],
        description="Comma-separated models whose jobs a worker takes. It loads the first of them when it "
        "starts, instead of `default_model`. Empty: jobs of all models. Set it to give a large model its own "
        "machines.",
    )
    worker_threads: int = Field(
        0,
        ge=0,
        description="ONNX Runtime threads per worker process. 0: the usable CPUs divided by the processes.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where workers run models. `cuda`: on an NVIDIA GPU, which needs the package "
        "onnxruntime-gpu in place of onnxruntime. `auto`: on the GPU if the machine has one. If it cannot be "
        "used, models run on the CPU and the log says `gpu_unavailable`, and why.",
    )
    gpu_memory_bytes: int = Field(
        0,
        ge=0,
        description="Most memory of a GPU that a worker process may take for a model of the family ctc, in "
        "bytes; its batches are sized to it. 0: nine tenths of the GPU, divided by the worker's processes. "
        "Set it if several workers or other programs share the GPU.",
    )
    worker_nice: int = Field(
        5,
        ge=0,
        le=19,
        description="How far workers give way to other processes of the machine, as a nice value, so that "
        "the API answers at once while all CPUs transcribe. 0: not at all.",
    )
    worker_memory_bytes: int = Field(
        4 * 1024**3,
        ge=0,
        description="Most memory that a worker process may allocate; less in a container too small for it. "
        "0: no limit beyond the container's. Raise it if attempts end with `memory_exhausted`.",
    )
    models_memory_bytes: int | None = Field(
        None,
        ge=0,
        description="Memory that the loaded models of a worker process may take together, in bytes. The "
        "model that was not used for longest is unloaded when another does not fit. Empty: half of "
        "`worker_memory_bytes`. 0: one model at a time. Raise it if logs show `model_evicted` often.",
    )
    drain_seconds: float = Field(
        20.0,
        ge=0,
        description="How long a worker that was told to stop keeps working on its jobs before it hands them "
        "back. Keep it below the supervisor's grace period.",
    )
    heartbeat_seconds: float = Field(
        2.0,
        gt=0,
        description="Interval between a worker's heartbeats. After five missed ones it counts as gone.",
    )

    worker_metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of a worker's Prometheus `/metrics`, on `host`. 0: not served.",
    )
    sweeper_metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the sweeper's Prometheus `/metrics`, on `host`. 0: not served.",
    )

    webhooks: bool = Field(
        True,
        description="Whether jobs may have a `webhook_url`, and the sweeper delivers webhooks. "
        "Set `false` if the service must not send requests to hosts that clients name.",
    )
    webhook_allow: Annotated[list[str], NoDecode] = Field(
        [],
        description="Comma-separated names, addresses and networks of receivers inside your network, names "
        "and addresses optionally with a port, such as `crm.example.org,10.2.0.0/16,127.0.0.1:9000`. Empty: "
        "webhooks go to public addresses only.",
    )
    stream_sessions: int = Field(
        8,
        ge=0,
        description="Live sessions that one live worker takes at the same time. Lower it if partial text "
        "comes late. 0: no live transcription.",
    )
    stream_stall_seconds: float = Field(
        30.0,
        gt=0,
        description="A live session that sends no audio for this long is closed. Raise it for clients that "
        "send nothing while nobody speaks.",
    )
    stream_warm: bool = Field(
        False,
        description="Whether a live worker loads its model when it starts. If not, the first session waits a "
        "few seconds for it, and a worker that nobody speaks to takes 50 MB instead of 330 MB.",
    )
    stream_metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of a live worker's Prometheus `/metrics`, on `host`. 0: not served.",
    )

    otlp_endpoint: str = Field(
        "",
        description="OTLP/HTTP collector that traces are exported to, such as `http://collector:4318`. "
        "Empty: traces are not exported.",
    )

    log_level: str = Field(
        "INFO",
        description="Least severe level that is logged: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`. "
        "`DEBUG` adds the API's access log.",
    )

    @field_validator("default_model")
    @classmethod
    def _chosen_model(cls, name: str, info: ValidationInfo) -> str:
        return name or default_model_of(info.data.get("models_dir", MODELS_BESIDE_THE_CODE))

    @field_validator("cors_origins", "trusted_proxies", "webhook_allow", "worker_models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, values: list[str]) -> list[str]:
        if values == ["none"]:
            return []
        for value in values:
            try:
                ipaddress.ip_network(value)
            except ValueError as error:
                raise ValueError(f"must be addresses and networks such as 10.0.0.0/8: {error}") from error
        return values

    @field_validator("webhook_allow")
    @classmethod
    def _are_receivers(cls, values: list[str]) -> list[str]:
        Policy(values)
        return values

    @field_validator("files_url")
    @classmethod
    def _is_bucket(cls, value: str) -> str:
        if value and not _BUCKET.fullmatch(value):
            raise ValueError("must be s3://bucket or s3://bucket/prefix")
        if value and find_spec("botocore") is None:
            raise ValueError("needs the package botocore: install `shrutlekh[s3]`")
        return value.rstrip("/")

    @field_validator("s3_endpoint")
    @classmethod
    def _is_endpoint(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#@\s]+/?", value):
            raise ValueError("must be a URL such as https://minio.example.org:9000")
        return value

    @field_validator("root_path")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        return path_prefix(value)

    @field_validator("redis_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        sentinels_of(value)
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        level = value.upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError("must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
        return level

    @property
    def database(self) -> str:
        """The database URL to connect to: `database_url`, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'shrutlekh.db'}"

    @property
    def keys_required(self) -> bool:
        """Whether requests need an API key."""
        if self.require_keys == "auto":
            return not is_loopback(self.published_host or self.host)
        return self.require_keys == "always"

    @property
    def first_model(self) -> str:
        """The model that a worker loads when it starts."""
        return self.worker_models[0] if self.worker_models else self.default_model

    @property
    def models_budget(self) -> int | None:
        """Bytes for the loaded models of a worker process. None: no limit."""
        if self.models_memory_bytes is not None:
            return self.models_memory_bytes
        return self.worker_memory_bytes // 2 or None

    @property
    def files_dir(self) -> Path:
        """Folder of the stored recordings, inside the data folder."""
        return self.data_dir / "files"

    @property
    def scratch(self) -> Path:
        """Folder of scratch files."""
        return self.scratch_dir or self.data_dir / "scratch"

    @property
    def heartbeat_expiry(self) -> float:
        """Seconds without a heartbeat after which a worker counts as gone."""
        return 5 * self.heartbeat_seconds
