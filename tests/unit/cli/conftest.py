"""Runs the command line in this process, against a small real HTTP server."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from deployments.cli.app import app
from deployments.cli.session import Session, save_session
from tests.waiting import WITHIN_S

Cli = Callable[..., Result]


@dataclass
class Answer:
    """What the small server says: ``held`` back until that happens; saying it makes ``frees`` happen.

    The connection stands until ``lasts`` happens.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    held: threading.Event | None = None
    frees: threading.Event | None = None
    lasts: threading.Event | None = None

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Call:
    """What it was asked."""

    method: str
    path: str
    token: str | None
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass
class SmallServer:
    """Answers each route as told, 404 elsewhere, and remembers every call.

    A path that was given without a query answers whatever the query is.
    """

    url: str = ""
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def on(self, method: str, path: str, status: int = 200, body: Any = None, **headers: str) -> Answer:
        """``headers`` with underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.answers[method, path] = Answer(status, {} if body is None else body, named)
        return answer

    def called(self, method: str, path: str) -> list[Call]:
        """The calls of one route, whatever their query."""
        return [call for call in self.calls if (call.method, call.path.partition("?")[0]) == (method, path)]

    def first(self, method: str, path: str) -> Call:
        """The first call of a route, once it comes."""
        with self.news:
            assert self.news.wait_for(lambda: self.called(method, path), WITHIN_S), f"{method} {path} was not called"
        return self.called(method, path)[0]

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                sent = self.rfile.read(length)
                token = self.headers.get("authorization")
                headers = {name.lower(): value for name, value in self.headers.items()}
                with server.news:
                    server.calls.append(Call(self.command, self.path, token, _json_of(sent), headers, sent))
                    server.news.notify_all()
                missing = Answer(404, {"error": "there is no such route", "type": "NotFound"})
                short = self.path.partition("?")[0]
                answer = server.answers.get((self.command, self.path)) or server.answers.get((self.command, short))
                self.answer(answer or missing)

            def answer(self, answer: Answer) -> None:
                if answer.held is not None:
                    answer.held.wait(WITHIN_S)
                if answer.frees is not None:
                    answer.frees.set()
                content = b"" if answer.status == 204 else answer.content
                self.send_response(answer.status)
                for name, value in {"content-length": str(len(content)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:  # nobody waits for it any more
                    pass
                if answer.lasts is not None:
                    answer.lasts.wait(WITHIN_S)

            do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815  the base class's names

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _json_of(content: bytes) -> Any:
    """None for what is no JSON: an upload."""
    try:
        return json.loads(content)
    except ValueError:
        return None


@pytest.fixture(autouse=True)
def config_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of its own for each test, and no variable of ours around it."""
    for name in ("URL", "TOKEN", "USERNAME", "PASSWORD", "DATA", "PORT", "HOST", "JWT_SECRET", "ADMIN_PASSWORD"):
        monkeypatch.delenv(f"GRAPHSIDE_{name}", raising=False)
    home = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return home


@pytest.fixture
def cli() -> Cli:
    """``cli("user", "list", typed="...")``: the command line's result."""

    def run(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, list(arguments), input=typed)

    return run


@pytest.fixture
def server() -> Iterator[SmallServer]:
    """A server on a free port."""
    small = SmallServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), small.handler())
    small.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield small
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def signed_in(server: SmallServer) -> SmallServer:
    """The small server, with a session for it."""
    save_session(Session(server.url, "the-token"))
    return server


def complaint(result: Result) -> str:
    """The one line that a failed command left on standard error."""
    assert result.exit_code != 0, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("graphside: ")
    assert "Traceback" not in result.output
    return lines[0].removeprefix("graphside: ")


def query(path: str) -> dict[str, list[str]]:
    """The query of a path."""
    return parse_qs(urlsplit(path).query)
