"""Every setting of the app, validated when the app starts. Nothing else in the server reads the environment.

``serve_config.yaml`` has the settings as ``args``; ``graphside serve`` takes them from ``GRAPHSIDE_*`` variables
(``deployments/launch``). Secrets are never settings: they lie in files that settings name.
"""

import os
import re
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from catalog.engine import sqlite_url
from runtime.datasets.store.location import StoreLocation, StoreOptions
from runtime.sandbox.walls.isolation import Isolation
from runtime.sandbox.walls.rewind import RewoundBetween
from runtime.task import MIB, MOST_SOURCE_BYTES

DEFAULT_FRAME_ANCESTORS: Final = ("'self'", "http://localhost:*", "http://127.0.0.1:*")
"""Notebooks on the reader's own machine."""

_CSP_SOURCE: Final = re.compile(
    r"\*|'none'|'self'|[a-z][a-z0-9+.-]*:|([a-z][a-z0-9+.-]*://)?(\*\.)?[A-Za-z0-9.-]+(:(\d+|\*))?"
)


_MODULE: Final = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class LimitSettings(_Frozen):
    """The limits of a run whose request names none. ``threads: null`` follows from the cores of the machine."""

    timeout_s: float = Field(60.0, gt=0)
    cpu_s: float = Field(120.0, gt=0)
    memory_bytes: int = Field(2048 * MIB, ge=64 * MIB)
    scratch_bytes: int = Field(256 * MIB, ge=0)
    scratch_files: int = Field(1000, ge=0)
    result_bytes: int = Field(512 * MIB, ge=1024)
    output_bytes: int = Field(1 * MIB, ge=1024)
    open_files: int = Field(1024, ge=64)
    threads: int | None = Field(None, ge=1)
    cpus: int = Field(1, ge=1)


class LiveSettings(_Frozen):
    """Settings that a runner takes over without a restart: the ``user_config`` in ``serve_config.yaml``."""

    limits: LimitSettings = LimitSettings()
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class MaximumSettings(_Frozen):
    """The highest limits that a request may ask for.

    ``memory_bytes: null`` is a seat's share of the machine, ``cpus: null`` all its cores.
    """

    timeout_s: float = Field(600.0, gt=0)
    cpu_s: float = Field(1200.0, gt=0)
    memory_bytes: int | None = Field(None, ge=64 * MIB)
    scratch_bytes: int = Field(256 * MIB, ge=0)
    result_bytes: int = Field(512 * MIB, ge=1024)
    threads: int = Field(64, ge=1)
    cpus: int | None = Field(None, ge=1)


REQUESTABLE: Final = tuple(MaximumSettings.model_fields)
"""The limits that a request may name."""


class GpuSettings(_Frozen):
    """The GPU engine. Without this section there is none. Sizes count one card's memory."""

    num_gpus: float = Field(
        1.0, gt=0, le=1, description="Share of a card for each GPU runner; it gets the same share of the memory."
    )
    cache_bytes: int | None = Field(
        None, ge=2 * MIB, description="Dataset cache of a GPU runner; absent: what the seats leave of its share."
    )
    seats: int = Field(4, ge=1, description="Concurrent runs of a GPU runner. Each one reserves memory of the card.")
    seat_bytes: int = Field(6 * 1024 * MIB, ge=256 * MIB, description="Most memory of the card that one run may use.")
    spare_seats: int = Field(2, ge=0, description="Seats kept ready, with a context and without a dataset.")
    image_bytes: int = Field(
        16 * 1024 * MIB,
        ge=0,
        description="Most disk space of this node for images of datasets, in store_cache_dir; 0: no images.",
    )


class ForeignTokenSettings(_Frozen):
    """Another issuer whose tokens are accepted. Exactly one of ``jwks_url`` and ``key_file`` is set."""

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks_url: str | None = None
    key_file: Path | None = None
    algorithms: tuple[Literal["RS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    username_claim: str = "sub"
    auto_create: bool = False


class TrafficSettings(_Frozen):
    """What requests share at one ingress replica, and the pace at which bodies and answers must move."""

    requests: int = Field(
        1000,
        ge=10,
        description="Requests in progress; the last tenth is for addresses with few, half for callers with a log-in.",
    )
    arriving: int = Field(256, ge=2, description="Requests whose bodies are still arriving.")
    arriving_per_sender: int = Field(64, ge=1, description="The same of one user, or of one address before a log-in.")
    body_bytes: int = Field(
        256 * MIB,
        ge=16 * MIB,
        description="Bytes of bodies in memory; uploads, which go to disk, do not count.",
    )
    uploads: int = Field(32, ge=2, description="Uploads in progress; one user has at most three quarters.")
    idle_s: float = Field(20.0, gt=0, description="Longest pause of a body, or of the reader of an answer.")
    grace_s: float = Field(30.0, gt=0, description="Seconds before the least rate holds.")
    least_bytes_per_s: int = Field(
        4096, ge=0, description="Least average rate of a body or a reader after that; 0: any."
    )
    unread_bytes: int | None = Field(
        None, ge=1024, description="Bytes of answers that are being sent; absent: a quarter of the memory."
    )


class Settings(_Frozen):
    """The app's settings, as ``args`` of ``serve_config.yaml``."""

    data_dir: Path = Field(
        Path(".graphside"),
        description="Directory of catalog, keys, stored tables and scratch; shared by all nodes.",
    )
    scratch_dir: Path | None = Field(
        None, description="Directory of this node's scratch directories of runs; absent: scratch in data_dir."
    )
    database_url_file: Path | None = Field(
        None, description="File with the SQLAlchemy URL of the catalog; absent: SQLite in data_dir."
    )
    store_url: str | None = Field(
        None, description="Location of stored tables: s3://, gs:// or file://; absent: data_dir."
    )
    store_credentials_file: Path | None = Field(
        None, description="File with the keys for s3://; absent: the environment, AWS's own files, the instance's role."
    )
    store_cache_dir: Path | None = Field(
        None, description="Directory of this node's copies of stored tables; absent: cache in data_dir."
    )
    store_cache_bytes: int = Field(16 * 1024 * MIB, ge=1024, description="Most disk space for these copies.")
    jwt_key_file: Path | None = Field(None, description="File with the signing key; absent: keys/jwt.key in data_dir.")
    token_lifetime_s: int = Field(3600, ge=60, description="Lifetime of a token in seconds.")
    python_endpoint: bool = Field(True, description="False turns the Python endpoint off for everybody.")
    direct_calls: bool = Field(
        True, description="Runs go over a socket, past Serve, to a runner on the ingress's machine."
    )
    cudf_falls_back_to_pandas: bool = Field(
        False,
        description="Run engine=cudf with pandas if no GPU runner is running; the response header X-Engine says so.",
    )
    public_url: str | None = Field(None, description="https://host[:port] that clients use, if there is a proxy.")
    trusted_forwarders: tuple[str, ...] = Field((), description="CIDRs of proxies whose X-Forwarded-* headers count.")
    frame_ancestors: tuple[str, ...] = Field(
        DEFAULT_FRAME_ANCESTORS, description="CSP sources that may frame the viewer page."
    )
    foreign_tokens: ForeignTokenSettings | None = Field(None, description="Another issuer whose tokens are accepted.")
    cors_origins: tuple[str, ...] = Field((), description="Origins from which browsers may call the API.")
    compress_over_bytes: int | None = Field(
        256 * 1024, ge=1024, description="Smallest answer that is compressed for a client that accepts it; null: none."
    )
    max_upload_bytes: int = Field(1024 * MIB, ge=1024, description="Largest body of one upload.")
    max_source_bytes: int = Field(
        1 * MIB,
        ge=1024,
        le=MOST_SOURCE_BYTES,
        description="Most characters of a task's source, which may have twice as many bytes as JSON.",
    )
    limits: LimitSettings = LimitSettings()
    maximum: MaximumSettings = MaximumSettings()
    cache_bytes: int | None = Field(None, ge=1, description="Dataset cache of a runner; absent: half of its memory.")
    seats: int | None = Field(
        None, ge=1, description="Concurrent runs of a runner; absent: twice the cores, at least 4."
    )
    extra_seats: int | None = Field(
        None,
        ge=0,
        description="Seats beside those, for users who have no run and find all taken; absent: a quarter, at least 1.",
    )
    isolation: Isolation = Field(
        "standard",
        description="Walls of runs: strict, standard, minimal or off. No start if one is missing.",
    )
    gpu: GpuSettings | None = Field(None, description="GPU runners; absent: none, and all tasks use the CPU.")
    spare_seats: int = Field(2, ge=0, description="Seats kept ready for each dataset in use.")
    reused_seats: int = Field(
        0,
        ge=0,
        description="Seats of each dataset that wait for their user's next run; 0: each run gets a new process.",
    )
    rewound_seats: int = Field(
        0,
        ge=0,
        description="Seats of each dataset that are restored, byte for byte, after each run; 0, or on a GPU: none.",
    )
    rewound_between: RewoundBetween = Field(
        "same_user",
        description="Whose run a restored seat may take next: same_user or any_user. Strict isolation has same_user.",
    )
    task_imports: tuple[Annotated[str, Field(max_length=200, pattern=_MODULE)], ...] = Field(
        (),
        max_length=50,
        description="Modules that are imported once, before runs are forked, so that runs need not wait for them.",
    )
    tasks_memory_bytes: int | None = Field(
        None,
        ge=256 * MIB,
        description="Most memory of all runs and datasets of a runner, in a control group; absent: by the limits.",
    )
    queue: int = Field(200, ge=0, description="Runs that may wait for a seat at each runner.")
    logs_dir: Path | None = Field(None, description="Directory of the replicas' logs; absent: Ray's session directory.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Lowest level that is logged.")
    default_access: Literal["private", "organization", "public"] = Field(
        "private", description="Who besides its owner may use a dataset that was never shared."
    )
    plot_expiry_s: int | None = Field(
        None,
        ge=1,
        description="Lifetime in seconds of datasets created without files, as by plot(); absent: forever.",
    )
    user_stored_bytes: int | None = Field(
        None, ge=0, description="Most bytes of stored tables in a user's files and datasets; absent: no limit."
    )
    user_runs: int = Field(128, ge=1, description="Most runs of one user, running or queued, at each ingress replica.")
    user_runs_per_minute: int | None = Field(
        None,
        ge=1,
        description="Most runs that a user may start within a minute, at each ingress replica; absent: any.",
    )
    traffic: TrafficSettings = Field(
        TrafficSettings(), description="Requests in progress at each ingress replica, and their pace."
    )
    run_retention_s: float = Field(7 * 86400, gt=0, description="Seconds for which receipts of runs are kept.")
    receipt_output_bytes: int = Field(
        64 * 1024,
        ge=0,
        description="Most bytes of stdout, and of stderr, in a receipt; longer output loses its middle.",
    )
    user_receipt_bytes: int = Field(
        256 * MIB, ge=MIB, description="Most bytes of one user's receipts; past that, the oldest are deleted."
    )
    keep_source: bool = Field(False, description="True keeps the source text of runs in their receipts.")

    @field_validator("data_dir", "scratch_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.abspath(value.expanduser()))

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
            most, usual = getattr(self.maximum, name), getattr(self.limits, name)
            if most is not None and usual is not None and usual > most:
                raise ValueError(f"limits.{name} is above maximum.{name}")
        return self

    @model_validator(mode="after")
    def _strict_shares_nothing(self) -> Self:
        if self.isolation == "strict" and self.rewound_between == "any_user":
            raise ValueError("rewound_between is any_user, which isolation strict does not allow; use same_user")
        return self

    @property
    def scratch_home(self) -> Path:
        """The directory in which runners make the scratch directories of runs."""
        return self.scratch_dir or self.data_dir / "scratch"

    @property
    def catalog_url(self) -> str:
        """The URL of the catalog's database."""
        if self.database_url_file is not None:
            return self.database_url_file.read_text(encoding="utf-8").strip()
        return sqlite_url(self.data_dir / "catalog.sqlite")

    @property
    def store_options(self) -> StoreOptions:
        """What ``open_store`` needs to know of the store."""
        return StoreOptions(
            location=None if self.store_url is None else StoreLocation.parse(self.store_url),
            credentials_file=self.store_credentials_file,
            cache_dir=self.store_cache_dir or self.data_dir / "cache",
            cache_bytes=self.store_cache_bytes,
        )

    @property
    def signing_key_file(self) -> Path:
        """The path of the signing key."""
        return self.jwt_key_file or self.data_dir / "keys" / "jwt.key"


def checked_sources(sources: Sequence[str]) -> str:
    """Return the value of a ``frame-ancestors`` directive; ``'none'`` if there are no sources. Raise ``ValueError``."""
    for source in sources:
        if not _CSP_SOURCE.fullmatch(source):
            raise ValueError(f"{source!r} is not a CSP source, such as 'self' or https://notebooks.example")
    return " ".join(sources) or "'none'"
