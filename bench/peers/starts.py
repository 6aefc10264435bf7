"""How each peer is started, with the data and with its own time limit if it has one."""

import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.client import BadAnswer, Call, drive
from bench.peers.apps import task
from bench.peers.attempts import attempt
from bench.peers.ground import Ground
from bench.peers.held import Held, Leavings
from bench.peers.subject import Driven, Plain, Subject
from bench.peers.tasks import COUNT
from bench.servers import ROOT, StartFailed
from deployments.launch.machine.ports import pick

OWN_PYTHON = Path(sys.executable)

_HOST = "127.0.0.1"
_START_S = 300.0
_LOOK_S = 5.0
_STEADY_S = 1.0


def fastapi(name: str, python: Path, ground: Ground) -> Subject:
    """Start one process with one copy of the data and a pool of threads."""
    port = pick()
    return _plain(name, [str(python), *_uvicorn("bench.peers.apps.fastapi_exec:api", port)], ground, port, "/run")


def ray_tuned(name: str, python: Path, ground: Ground) -> Subject:
    """Start it with HAProxy and the throughput options that our own server has."""
    return _ray(name, python, ground, "tuned")


def ray_plain(name: str, python: Path, ground: Ground) -> Subject:
    """Start it as ``serve.run`` does with nothing set."""
    return _ray(name, python, ground, "plain")


def litserve(name: str, python: Path, ground: Ground) -> Subject:
    port = pick()
    command = [str(python), "-m", "bench.peers.apps.litserve_exec", str(port), str(ground.workers)]
    return _plain(name, command, ground, port, "/predict")


def bentoml(name: str, python: Path, ground: Ground) -> Subject:
    port = pick()
    command = [
        str(python), "-m", "bentoml", "serve", "bench.peers.apps.bentoml_exec:Runner", "--host", _HOST, "--port",
        str(port),
    ]  # fmt: skip
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "PEER_WORKERS": str(ground.workers)}
    return _plain(name, command, ground, port, "/run", quiet)


def bubblewrap(name: str, python: Path, ground: Ground) -> Subject:
    """Start it with everything unshared that it can unshare, nothing writable but a new /tmp, and no variables."""
    read = [word for path in (ROOT, ground.edges) for word in ("--ro-bind", str(path), str(path))]
    jail = [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--proc", "/proc",
        "--dev", "/dev", "--tmpfs", "/tmp", *read, "--clearenv",
    ]  # fmt: skip
    port = pick()
    command = [str(python), *_uvicorn("bench.peers.apps.fresh_front:api", port)]
    return _plain(name, command, ground, port, "/run", {"PEER_JAIL": json.dumps(jail)})


def dask(name: str, python: Path, ground: Ground) -> Subject:
    port = pick()
    server = ["-m", "bench.peers.apps.dask_cluster", str(port), str(ground.workers)]
    return _driven(name, python, ground, port, server, ["-m", "bench.peers.apps.dask_client", str(port)])


def kernel_gateway(name: str, python: Path, ground: Ground) -> Subject:
    """Start as many kernels as others have workers. Clients share them."""
    port = pick()
    server = [
        "-m", "kernel_gateway", "--ip", _HOST, "--port", str(port), "--JupyterWebsocketPersonality.list_kernels=True",
    ]  # fmt: skip
    client = ["-m", "bench.peers.apps.kernel_client", str(port), str(ground.workers)]
    return _driven(name, python, ground, port, server, client)


def spark(name: str, python: Path, ground: Ground) -> Subject:
    port = pick()
    server = ["-m", "bench.peers.apps.spark_server", str(port), str(ground.workers)]
    client = ["-m", "bench.peers.apps.spark_client", str(port)]
    own = {
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": secrets.token_hex(16),
        "SPARK_LOCAL_IP": _HOST,
        "PYSPARK_PYTHON": str(python),
    }
    return _driven(name, python, ground, port, server, client, own)


def _uvicorn(app: str, port: int) -> list[str]:
    # Without the last option it would wait for tasks that never end.
    options = ["--log-level", "warning", "--timeout-graceful-shutdown", "2"]
    return ["-m", "uvicorn", app, "--host", _HOST, "--port", str(port), *options]


def _ray(name: str, python: Path, ground: Ground, how: str) -> Subject:
    port = pick()
    folder = tempfile.mkdtemp(prefix="peer-", dir="/tmp")  # a socket's path ends at 107 bytes

    def clear() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    command = [str(python), "-m", "bench.apps.ray_exec", str(port), folder, how]
    try:
        return _plain(name, command, ground, port, "/run", then=clear)
    except BaseException:
        clear()
        raise


def _plain(
    name: str,
    command: Sequence[str],
    ground: Ground,
    port: int,
    path: str,
    more: Mapping[str, str] | None = None,
    then: Callable[[], None] = lambda: None,
) -> Subject:
    """Start a peer that speaks plain HTTP. ``then`` is called when it has stopped."""
    held = Held.start(command, {**_environment(name, ground), **(more or {})}, _log(name, ground))

    def call(task: str) -> Call:
        return Call.post(_HOST, port, path, {"execute": task})

    def end() -> Leavings:
        leavings = held.stop()
        then()
        return leavings

    held.wait(lambda: attempt(call(COUNT), 1, _LOOK_S)[0].good and _is_steady(call(COUNT)), _START_S)
    return Plain(name, call, held.pid, end)


def _is_steady(call: Call) -> bool:
    """Return whether calls succeed for a while.

    A new front may still change over: HAProxy takes in servers by a reload.
    """
    try:
        drive(call, 1, _STEADY_S)
    except (BadAnswer, OSError):
        return False
    return True


def _driven(
    name: str,
    python: Path,
    ground: Ground,
    port: int,
    server: Sequence[str],
    client: Sequence[str],
    more: Mapping[str, str] | None = None,
) -> Subject:
    environment = {**_environment(name, ground), **(more or {})}
    log = _log(name, ground)
    held = Held.start([str(python), *server], environment, log)
    held.wait(lambda: _listens(port), _START_S)
    subject = Driven(name, held, [str(python), *client], {**os.environ, "PYTHONPATH": str(ROOT), **environment}, log)
    try:
        subject.prepare()
    except BadAnswer as error:
        subject.stop()
        raise StartFailed(f"it takes no data: {error}") from error
    return subject


def _environment(name: str, ground: Ground) -> dict[str, str]:
    """Return the variables that a peer reads, with a home of its own, so that it leaves nothing in anybody's home."""
    home = ground.folder / f"{_word(name)}.home"
    home.mkdir(exist_ok=True)
    return {
        task.EDGES_FILE: str(ground.edges),
        task.LIMIT_S: str(ground.limit_s),
        "HOME": str(home),
        "PYTHONNOUSERSITE": "1",
    }


def _log(name: str, ground: Ground) -> Path:
    return ground.folder / f"{_word(name)}.log"


def _word(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0
