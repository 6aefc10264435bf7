"""The server that is asked: started as a user starts it, ended whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.record_wire.errors import RecordingFailed

ADMIN: Final = "admin"
ADMIN_WORDS: Final = "correct horse battery"
"""The first administrator's password."""

SIGNING_WORDS: Final = "the signing key of servers that are recorded"
"""Given to the server, so that tokens can be made here that it would not give out: expired ones, for example."""

_START_S: Final = 180.0
_STOP_S: Final = 20.0
_POLL_S: Final = 0.1
_INTRODUCED: Final = "\ncurl "
"""How the last line begins that the launcher prints once all is ready."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs. ``data`` is its data directory."""

    port: int
    data: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def running(folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """A server of the code in the current folder, with a data directory of its own in ``folder``.

    ``settings`` are further variables of its environment. Raises ``RecordingFailed`` where it does not start.
    """
    folder.mkdir()
    server = Server(_free_port(), folder / "data")
    log = folder / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.launch"],
            stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=_environment(server, settings), start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, log)
        yield server
    finally:
        _stop(process)


def _environment(server: Server, settings: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what leads to other servers. Every process of it imports from the current folder first."""
    ours = (item for item in os.environ.items() if not item[0].startswith(("RAY_", "GRAPHSIDE_")))
    return {
        **dict(ours),
        "PYTHONPATH": str(Path.cwd()),
        "GRAPHSIDE_DATA": str(server.data),
        "GRAPHSIDE_PORT": str(server.port),
        "GRAPHSIDE_ADMIN_USERNAME": ADMIN,
        "GRAPHSIDE_ADMIN_PASSWORD": ADMIN_WORDS,
        "GRAPHSIDE_JWT_SECRET": SIGNING_WORDS,
        **settings,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while _INTRODUCED not in (output := log.read_text(errors="replace")):
        if process.poll() is not None:
            raise RecordingFailed(f"the server ended with {process.returncode}:\n{output}")
        if time.monotonic() > deadline:
            raise RecordingFailed(f"the server is not ready after {_START_S:.0f} s:\n{output}")
        time.sleep(_POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The launcher ends all of its processes when it is told to stop, and they end with it where it is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
