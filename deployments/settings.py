"""Every setting of the app, validated when it starts. Nothing else in the server reads the environment.

``serve_config.yaml`` carries these as ``args``; ``graphside serve`` fills them from ``GRAPHSIDE_*`` variables
(``deployments/launch``). Secrets are never settings: they travel as files that settings name.
"""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from catalog.engine import sqlite_url
from deployments.ingress.middleware.security_headers import DEFAULT_FRAME_ANCESTORS, checked_sources
from runtime.datasets.store.location import StoreLocation, StoreOptions
from runtime.sandbox.walls.isolation import Isolation
from runtime.task import MIB


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class LimitSettings(_Frozen):
    """The limits of a run whose request names none."""

    timeout_s: float = Field(60.0, gt=0)
    cpu_s: float = Field(120.0, gt=0)
    memory_bytes: int = Field(2048 * MIB, ge=64 * MIB)
    scratch_bytes: int = Field(256 * MIB, ge=0)
    scratch_files: int = Field(1000, ge=0)
    result_bytes: int = Field(512 * MIB, ge=1024)
    output_bytes: int = Field(1 * MIB, ge=1024)
    open_files: int = Field(1024, ge=64)
    threads: int = Field(64, ge=1)


class LiveSettings(_Frozen):
    """What a runner takes over without a restart, as ``user_config`` of ``serve_config.yaml``."""

    limits: LimitSettings = LimitSettings()
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class MaximumSettings(_Frozen):
    """The most a request may ask for. ``memory_bytes: null`` means a seat's share of this machine's memory."""

    timeout_s: float = Field(600.0, gt=0)
    cpu_s: float = Field(1200.0, gt=0)
    memory_bytes: int | None = Field(None, ge=64 * MIB)
    scratch_bytes: int = Field(256 * MIB, ge=0)
    result_bytes: int = Field(512 * MIB, ge=1024)


REQUESTABLE: Final = tuple(MaximumSettings.model_fields)
"""The limits that a request may name."""


class GpuSettings(_Frozen):
    """The GPU engine, where this section is there at all. Bytes are of one card's memory."""

    num_gpus: float = Field(
        1.0, gt=0, le=1, description="Of a card, for each GPU runner; it gets that share of the memory."
    )
    cache_bytes: int | None = Field(
        None, ge=2 * MIB, description="Dataset cache of a GPU runner; absent: what its share has beside the seats."
    )
    seats: int = Field(4, ge=1, description="Concurrent runs of a GPU runner. Each keeps memory of the card.")
    seat_bytes: int = Field(6 * 1024 * MIB, ge=256 * MIB, description="The most that one run may use of the card.")
    spare_seats: int = Field(2, ge=0, description="Seats that stand ready, with a context and no dataset.")
    image_bytes: int = Field(
        16 * 1024 * MIB,
        ge=0,
        description="Of this node's disk, in store_cache_dir: datasets as they lie on a card. 0: none are kept.",
    )


class ForeignTokenSettings(_Frozen):
    """Tokens of another issuer that count too; exactly one of ``jwks_url`` and ``key_file`` (``auth/foreign.py``)."""

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks_url: str | None = None
    key_file: Path | None = None
    algorithms: tuple[Literal["RS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    username_claim: str = "sub"
    auto_create: bool = False


class Settings(_Frozen):
    """The app's settings, as ``args`` of ``serve_config.yaml``."""

    data_dir: Path = Field(
        Path(".graphside"), description="Catalog, keys, stored tables, scratch. Shared by all nodes."
    )
    database_url_file: Path | None = Field(
        None, description="File that holds the catalog's SQLAlchemy URL; absent: SQLite in data_dir."
    )
    store_url: str | None = Field(
        None, description="Where stored tables are: s3://, gs:// or file://; absent: in data_dir."
    )
    store_credentials_file: Path | None = Field(
        None, description="File with the keys for s3://; absent: the environment, AWS's own files, the instance's role."
    )
    store_cache_dir: Path | None = Field(
        None, description="This node's copies of what store_url has; absent: cache in data_dir."
    )
    store_cache_bytes: int = Field(16 * 1024 * MIB, ge=1024, description="The most that a node's copies may take.")
    jwt_key_file: Path | None = Field(None, description="File with the signing key; absent: keys/jwt.key in data_dir.")
    token_lifetime_s: int = Field(3600, ge=60, description="Life of a token, in seconds.")
    python_endpoint: bool = Field(True, description="False turns the Python endpoint off for everybody (protocol 4.8).")
    direct_calls: bool = Field(
        True, description="Runs go over a socket to a runner on the ingress's machine, at places that Serve gave there."
    )
    cudf_falls_back_to_pandas: bool = Field(
        False,
        description="Answer engine=cudf with pandas where no GPU runner runs; the response header X-Engine says so.",
    )
    public_url: str | None = Field(None, description="https://host[:port] that clients use, when behind a proxy.")
    trusted_forwarders: tuple[str, ...] = Field((), description="CIDRs whose X-Forwarded-* headers are believed.")
    frame_ancestors: tuple[str, ...] = Field(
        DEFAULT_FRAME_ANCESTORS, description="CSP sources that may frame the viewer page."
    )
    foreign_tokens: ForeignTokenSettings | None = Field(None, description="Another issuer whose tokens count here.")
    cors_origins: tuple[str, ...] = Field((), description="Origins that browsers may call from.")
    max_upload_bytes: int = Field(1024 * MIB, ge=1024, description="Largest body of one upload.")
    max_source_bytes: int = Field(1 * MIB, ge=1024, description="Longest source text of a task.")
    limits: LimitSettings = LimitSettings()
    maximum: MaximumSettings = MaximumSettings()
    cache_bytes: int | None = Field(None, ge=1, description="Dataset cache of a runner; absent: half of memory.")
    seats: int | None = Field(
        None, ge=1, description="Concurrent runs of a runner; absent: twice the cores, at least 4."
    )
    isolation: Isolation = Field(
        "standard", description="Walls that runs must have: strict, standard, minimal or off; else no start."
    )
    gpu: GpuSettings | None = Field(None, description="GPU runners beside the others; absent: none, tasks use the CPU.")
    spare_seats: int = Field(2, ge=0, description="Seats kept ready for a dataset in use.")
    reused_seats: int = Field(
        0,
        ge=0,
        description="Seats of a dataset that wait for their user's next run; 0: each run has a process of its own.",
    )
    tasks_memory_bytes: int | None = Field(
        None,
        ge=256 * MIB,
        description="Memory of a runner's runs and datasets together, in a control group; absent: by the limits.",
    )
    queue: int = Field(200, ge=0, description="Runs that may wait for a seat of a runner.")
    logs_dir: Path | None = Field(None, description="Where replicas log; absent: in Ray's session directory.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")
    default_access: Literal["private", "organization", "public"] = Field(
        "private", description="Who may use a dataset that nobody has shared yet, besides its owner (protocol 3.6)."
    )
    plot_expiry_s: int | None = Field(
        None, ge=1, description="Life of a dataset that was created without files, as plot() does; absent: for ever."
    )
    user_stored_bytes: int | None = Field(
        None, ge=0, description="Bytes of stored tables that a user's files and datasets may name; absent: any."
    )
    user_runs: int = Field(128, ge=1, description="Runs of one user, running or queued, per ingress replica.")
    user_runs_per_minute: int | None = Field(
        None, ge=1, description="Runs that one user may start within a minute, per ingress replica."
    )
    run_retention_s: float = Field(7 * 86400, gt=0, description="How long receipts of runs are kept.")
    receipt_output_bytes: int = Field(
        64 * 1024, ge=0, description="What a receipt keeps of stdout and of stderr: first and last half."
    )
    keep_source: bool = Field(False, description="Receipts keep the source text of runs.")

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return Path(os.path.abspath(value.expanduser()))

    @field_validator("store_url")
    @classmethod
    def _store(cls, value: str | None) -> str | None:
        if value is not None:
            StoreLocation.parse(value)
        return value

    @field_validator("trusted_forwarders")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for cidr in value:
            ip_network(cidr, strict=False)
        return value

    @field_validator("frame_ancestors")
    @classmethod
    def _sources(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        checked_sources(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("public_url must start with http:// or https://")
        return value.rstrip("/") if value else value

    @model_validator(mode="after")
    def _within_maximum(self) -> Self:
        for name in REQUESTABLE:
            most = getattr(self.maximum, name)
            if most is not None and getattr(self.limits, name) > most:
                raise ValueError(f"limits.{name} is above maximum.{name}")
        return self

    @property
    def catalog_url(self) -> str:
        """URL of the catalog's database."""
        if self.database_url_file is not None:
            return self.database_url_file.read_text(encoding="utf-8").strip()
        return sqlite_url(self.data_dir / "catalog.sqlite")

    @property
    def store_options(self) -> StoreOptions:
        """Which store there is, for ``open_store``."""
        return StoreOptions(
            location=None if self.store_url is None else StoreLocation.parse(self.store_url),
            credentials_file=self.store_credentials_file,
            cache_dir=self.store_cache_dir or self.data_dir / "cache",
            cache_bytes=self.store_cache_bytes,
        )

    @property
    def signing_key_file(self) -> Path:
        """Where the signing key lies."""
        return self.jwt_key_file or self.data_dir / "keys" / "jwt.key"
