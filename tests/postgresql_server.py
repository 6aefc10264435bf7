"""A PostgreSQL server in a directory of its own, of the binaries that Debian's package ``postgresql`` has."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from tests.free_ports import free_port
from tests.waiting import WITHIN_S, eventually

PACKAGE = "postgresql"
_USER = "graphside"

# Tests need no durability, and a machine whose disk is slow would spend their time on it.
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")


def find_binaries() -> Path | None:
    """The newest server that is installed."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = sorted(found, key=lambda path: float(path.parts[-3]))
    if newest:
        return newest[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


@dataclass(frozen=True)
class PostgresServer:
    """Listens on loopback, and asks for a password there."""

    port: int
    password: str

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database."""
        address = URL.create("postgresql", _USER, self.password, "127.0.0.1", self.port, database)
        return address.render_as_string(hide_password=False)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{uuid4().hex}"
        self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Removes a database, whoever is connected."""
        self._execute(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        address = sa.make_url(self.url("postgres")).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def postgresql_server(binaries: Path) -> Iterator[PostgresServer]:
    """Made, started, and removed when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="graphside-pg-", dir="/tmp"))  # short: sockets have short paths
    server = PostgresServer(free_port(), secrets.token_hex(16))
    process = None
    try:
        started = process = _start(binaries, folder, server)
        eventually(lambda: server.answers() or started.poll() is not None, WITHIN_S, 0.05, (folder / "log").read_text)
        assert started.poll() is None, f"PostgreSQL ended:\n{(folder / 'log').read_text()}"
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # at once; nothing in it is to be kept
            process.wait(WITHIN_S)
        shutil.rmtree(folder)


def _start(binaries: Path, folder: Path, server: PostgresServer) -> subprocess.Popen[bytes]:
    given = folder / "password"
    given.write_text(server.password)
    become = _become_somebody(folder, given)
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        _USER,
        "--auth=scram-sha-256",
        f"--pwfile={given}",
    ]
    made = subprocess.run(
        [*become, *initdb, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    settings = [word for setting in _FAST for word in ("-c", setting)]
    listening = ["-k", str(folder), "-h", "127.0.0.1", "-p", str(server.port)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*become, str(binaries / "postgres"), "-D", str(folder / "data"), *listening, *settings],
            cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def _become_somebody(folder: Path, given: Path) -> list[str]:
    """What to start the server with: it refuses to run as root, and must end with us, however we end."""
    ends_with_us = "--pdeathsig=QUIT"
    if os.geteuid() != 0:
        return ["setpriv", ends_with_us]
    names = {entry.pw_name for entry in pwd.getpwall()}
    account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    for path in (folder, given):
        os.chown(path, account.pw_uid, account.pw_gid)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", ends_with_us]
