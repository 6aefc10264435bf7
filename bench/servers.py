"""The servers of a run. Our own launcher starts each from its builder, so that all have the same flags."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deployments.launch.machine.ports import pick
from deployments.launch.supervisor import NO_DEMO, READY

ROOT = Path(__file__).resolve().parents[1]
OURS = "deployments.app:build"
NOOP = "bench.apps.noop:build"
NOOP_ONE_HOP = "bench.apps.noop:build_one_hop"

_START_S = 240.0
_STOP_S = 15.0
_POLL_S = 0.02
SMALL_CACHE_BYTES = 420_000_000
"""Room for one dataset of 400 MB, or for four of the ten of the section ``budget``."""

_SETTINGS = {"token_lifetime_s": 86_400, "max_upload_bytes": 8 * 2**30}
"""Settings of every server of ours: a long run takes over an hour, and large datasets come in one upload."""

_READY = f"\n{READY} "
_INTRODUCED = ("\ncurl ", f"\n{NO_DEMO}")


class StartFailed(Exception):
    """A server did not come up. The message ends with its log."""


@dataclass(slots=True)
class Server:
    """One app under ``bench.apps.launch``. Its data directory stays from start to start."""

    builder: str
    data: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    """The app's settings by name. The next start uses them."""

    root: Path = ROOT
    """The checkout that it runs from. Another one than this has an environment of its own, in ``.venv``."""

    port: int = 0
    starts: int = 0
    dataset_ids: dict[str, str] = field(default_factory=dict)
    """The datasets uploaded to it, by name. They stay from start to start."""

    password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _authorization: str = field(default="", repr=False)
    _began: float = 0.0

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        """The pid of the ancestor of all its processes, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spawn(self) -> None:
        """Begin to start it. ``wait_ready`` waits for the end of the start."""
        self.port = pick()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GRAPHSIDE_"))}
        own = {
            "GRAPHSIDE_DATA": str(self.data),
            "GRAPHSIDE_PORT": str(self.port),
            "GRAPHSIDE_ADMIN_USERNAME": "bench",
            "GRAPHSIDE_ADMIN_PASSWORD": self.password,
            "PYTHONPATH": str(self.root),  # replicas import the app
            **{f"GRAPHSIDE_{name.upper()}": _text(value) for name, value in self.settings.items()},
        }
        self._began = time.monotonic()
        python = sys.executable if self.root == ROOT else str(self.root / ".venv/bin/python")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-m", "bench.apps.launch", self.builder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**kept, **own}, cwd=self.root,
                start_new_session=True,
            )  # fmt: skip

    def wait_ready(self) -> float:
        """Wait until the server says that it answers, and has loaded its demo graph.

        Return the seconds from ``spawn`` until it said so. Raises ``StartFailed``.
        """
        ready_s = 0.0
        while True:
            text = self._log.read_text(errors="replace")
            if not ready_s and _READY in text:
                ready_s = time.monotonic() - self._began
            if ready_s and any(mark in text for mark in _INTRODUCED):
                self.starts += 1
                return ready_s
            if self._process is None or self._process.poll() is not None or time.monotonic() > self._began + _START_S:
                self.stop()
                raise StartFailed(f"{self.builder} did not start:\n{text}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop it in order, and by force if that does not work."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Yield a client signed in as the server's admin, for preparations that are not measured."""
        with httpx.Client(base_url=self.url, timeout=300, trust_env=False) as client:
            if not self._authorization:
                answer = client.post("/api-token-auth/", json={"username": "bench", "password": self.password})
                self._authorization = f"Bearer {answer.raise_for_status().json()['token']}"
            client.headers["Authorization"] = self._authorization
            yield client

    @property
    def _log(self) -> Path:
        return self.data.with_suffix(".log")


class Stage:
    """The folder of a run and its servers, shared by its sections. As a context manager it stops them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers = {
            "graphside": Server(OURS, folder / "graphside", _SETTINGS),
            "no-op": Server(NOOP, folder / "no-op"),
            "one-hop no-op": Server(NOOP_ONE_HOP, folder / "no-op-1"),
        }
        self.ours("small cache", cache_bytes=SMALL_CACHE_BYTES)
        self.ours("graphside, forked seats that wait", rewound_seats=0)
        self.ours("graphside, forked seats", rewound_seats=0, spare_seats=0)
        self.ours("graphside, rewound seats", rewound_seats=2)
        self.ours("graphside, reused seats", reused_seats=8)

    def ours(self, name: str, root: Path = ROOT, **settings: object) -> None:
        """Add a server of ours with other settings, or from another checkout, under this name. It is not started."""
        folder = self.folder / name.replace(",", "").replace(" ", "-")
        self._servers[name] = Server(OURS, folder, {**_SETTINGS, **settings}, root)

    def server(self, name: str) -> Server:
        """Return the server of that name, running or not."""
        return self._servers[name]

    def running(self, *names: str) -> tuple[Server, ...]:
        """Run exactly these servers: start the missing ones side by side, stop all others."""
        self.stop_all(but=names)
        wanted = tuple(self._servers[name] for name in names)
        new = [server for server in wanted if not server.running]
        for server in new:
            server.spawn()
        for server in new:
            server.wait_ready()
        return wanted

    def stop_all(self, but: tuple[str, ...] = ()) -> None:
        """Stop all running servers but these."""
        for name, server in self._servers.items():
            if name not in but:
                server.stop()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
