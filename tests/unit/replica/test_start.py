import gc
import logging
from collections.abc import Iterator

import pytest

from deployments.replica.flags import fixed_flags
from deployments.replica.front_headers import SECRET_FILE
from deployments.replica.start import begin_replica


class Lines(logging.Handler):
    """Keeps what it is given, as a replica's log file would."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What replicas write to Serve's log, under the flags of a one-machine server."""
    serve, ours = logging.getLogger("ray.serve"), logging.getLogger("graphside")
    before = (ours.handlers, ours.level, ours.propagate, gc.get_threshold())
    handler = Lines()
    serve.addHandler(handler)
    for name, value in {**fixed_flags(), "RAY_SERVE_HAPROXY_BINARY_PATH": "/somewhere", SECRET_FILE: "/key"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("deployments.replica.start.keep_replica_port_local", lambda: True)
    yield handler.lines
    serve.removeHandler(handler)
    ours.handlers, ours.level, ours.propagate = before[:3]
    gc.set_threshold(*before[3])


def test_a_start_under_all_flags_warns_of_none(log: list[str]) -> None:
    begin_replica()
    assert log == []


def test_a_start_warns_of_a_flag_that_is_missing(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE")
    begin_replica()
    (line,) = log
    assert line.startswith("flag.missing RAY_AUTH_MODE=token (")


def test_a_start_with_the_former_import_path_warns_and_says_what_to_write(
    log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
    monkeypatch.setenv(name, "deployments.middleware:front_middlewares")
    begin_replica()
    (line,) = log
    assert line.startswith(f"flag.outdated {name}=deployments.middleware:front_middlewares ")
    assert f"replace it with {name}=deployments.ingress.middleware.serve_controls:front_middlewares" in line
