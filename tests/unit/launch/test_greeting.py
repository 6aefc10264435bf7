"""Where the credentials of a start are shown: on a terminal, else in files that only the operator can read."""

import http.server
import json
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deployments.launch import datadir, demo, greeting
from deployments.launch.datadir import FirstAdmin
from deployments.launch.demo import Demo
from deployments.launch.options import Options, read_options
from tests.waiting import WITHIN_S

ADMIN = FirstAdmin("ann", SecretStr("aaaaa-bbbbb-ccccc"))
TASK = "def task(g): return {'it': \"'works'\"}"


@pytest.fixture
def asked() -> Iterator[tuple[int, list[tuple[str | None, bytes]]]]:
    """The port of an HTTP server, and what it was sent: header ``Authorization`` and body."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, seen
        server.shutdown()
        thread.join()


@pytest.fixture
def options(tmp_path: Path, asked: tuple[int, object], monkeypatch: pytest.MonkeyPatch) -> Options:
    """A prepared data directory, with a blank and a quote in its path, of a server that listens on ``asked``'s port."""
    data = tmp_path / "it's a folder"
    found = read_options({"GRAPHSIDE_DATA": str(data), "GRAPHSIDE_PORT": str(asked[0])})
    datadir.make_private(data)
    datadir.prepare(found)
    monkeypatch.setattr(demo, "ensure", lambda *_: Demo("0123", "admin"))
    return found


def paste(line: str) -> None:
    subprocess.run(["bash", "-c", line], check=True, timeout=WITHIN_S, capture_output=True)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_command_works_as_pasted(
    is_terminal: bool, options: Options, asked: tuple[int, list[tuple[str | None, bytes]]]
) -> None:
    paste(greeting.curl_line(options, TASK, is_terminal=is_terminal))
    ((authorization, body),) = asked[1]
    assert authorization is not None
    assert authorization.startswith("Bearer ey")
    assert json.loads(body) == {"execute": TASK}


def test_without_a_terminal_the_token_is_in_a_private_file_only(options: Options) -> None:
    line = greeting.curl_line(options, TASK, is_terminal=False)
    path = options.data_dir / "demo_token"
    token = path.read_text().split()[-1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in line
    assert "Bearer" not in line


def test_each_start_writes_a_new_token(options: Options) -> None:
    path = options.data_dir / "demo_token"
    path.write_text("of an earlier start")
    path.chmod(0o644)
    greeting.curl_line(options, TASK, is_terminal=False)
    assert "of an earlier start" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_on_a_terminal_no_file_is_written(options: Options) -> None:
    greeting.curl_line(options, TASK, is_terminal=True)
    assert greeting.password_lines(options.data_dir, ADMIN, is_terminal=True)[0].endswith(": aaaaa-bbbbb-ccccc")
    assert not (options.data_dir / "demo_token").exists()
    assert not (options.data_dir / "first_password").exists()


def test_without_a_terminal_the_first_password_is_in_a_private_file_only(tmp_path: Path) -> None:
    lines = greeting.password_lines(tmp_path, ADMIN, is_terminal=False)
    path = tmp_path / "first_password"
    assert str(path) in lines[0]
    assert "aaaaa" not in "".join(lines)
    assert path.read_text() == "aaaaa-bbbbb-ccccc\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_password_that_the_operator_chose_is_told_nowhere(tmp_path: Path) -> None:
    for is_terminal in (True, False):
        assert greeting.password_lines(tmp_path, FirstAdmin("ann", None), is_terminal=is_terminal) == []
    assert list(tmp_path.iterdir()) == []
