"""What the launcher's tests share."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from deployments.launch.options import read_options
from tests.postgresql_server import PostgresServer
from tests.s3_server import S3Server, write_credentials
from tests.unit.launch.installation import Install, Installation

Start = Callable[[str], psutil.Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python with a program that prints a line when it is ready; whatever is left is killed afterwards."""
    children: list[subprocess.Popen[str]] = []

    def _start(program: str) -> psutil.Process:
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline()
        return psutil.Process(child.pid)

    yield _start
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


@pytest.fixture
def install(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Install]:
    """``install("postgresql", "s3")``; without words, on SQLite in a directory."""
    databases: list[str] = []

    def make(database: str = "sqlite", store: str = "local") -> Installation:
        name = uuid4().hex[:8]
        environment = {"GRAPHSIDE_DATA": str(tmp_path / name), "GRAPHSIDE_ADMIN_PASSWORD": "a long pass phrase"}
        if database == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgresql")
            databases.append(server.new_database())
            url_file = tmp_path / f"{name}.url"
            url_file.write_text(databases[-1])
            environment["GRAPHSIDE_DATABASE_URL_FILE"] = str(url_file)
        if store == "s3":
            s3: S3Server = request.getfixturevalue("s3")
            environment["GRAPHSIDE_STORE_URL"] = s3.new_bucket()
            environment["GRAPHSIDE_STORE_CREDENTIALS_FILE"] = str(write_credentials(tmp_path / f"{name}.keys"))
        return Installation(read_options(environment))

    yield make
    for url in databases:
        request.getfixturevalue("postgresql").drop(url)


SLEEP = "import time; print('ready', flush=True); time.sleep(60)"
