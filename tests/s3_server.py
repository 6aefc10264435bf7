"""A server that speaks S3 over HTTP on loopback, in a process of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pyarrow import fs

from tests.free_ports import free_port
from tests.waiting import eventually

_PYTHON = Path(__file__).parents[1] / ".clients" / "s3" / "bin" / "python"
KEY, SECRET = "test-key", "test-secret-of-the-store"

# It ends with us, however we end.
_PROGRAM = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


@dataclass(frozen=True)
class S3Server:
    """Any key is good to it. ``process`` may be stopped and continued to see what a store that hangs does."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_bucket(self) -> str:
        """A store's URL in a bucket of its own."""
        name = f"bucket-{uuid4().hex[:12]}"
        assert httpx.put(f"{self.url}/{name}", trust_env=False).is_success
        return self.store_url(f"{name}/some/prefix")

    def store_url(self, base: str) -> str:
        return f"s3://{base}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    def keys(self, store_url: str) -> list[str]:
        """Names of all that a bucket has, below its prefix; what stands for a folder is left out."""
        client = fs.S3FileSystem(
            access_key=KEY, secret_key=SECRET, endpoint_override=f"127.0.0.1:{self.port}", scheme="http"
        )
        base = store_url.removeprefix("s3://").partition("?")[0]
        found = client.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
        return sorted(info.path.removeprefix(f"{base}/") for info in found if info.type == fs.FileType.File)


@contextmanager
def s3_server(log: Path) -> Iterator[S3Server]:
    """Started, and ended when the block does. ``make install-dev`` brings what it runs with."""
    if not _PYTHON.exists():
        reason = "the S3 server of the tests is not installed: run make install-dev"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_PYTHON, "-c", _PROGRAM, str(port)], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    server = S3Server(port, process)
    try:
        eventually(lambda: process.poll() is not None or _answers(server))
        assert process.poll() is None, f"the S3 server ended:\n{log.read_text()}"
        yield server
    finally:
        process.kill()
        process.wait()


def write_credentials(path: Path) -> Path:
    """A file with the server's keys, as the setting ``store_credentials_file`` takes it."""
    path.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    path.chmod(0o600)
    return path


def _answers(server: S3Server) -> bool:
    try:
        return httpx.get(server.url, trust_env=False).is_success
    except httpx.TransportError:
        return False
