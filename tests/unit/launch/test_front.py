"""What becomes of the configuration that Serve writes: rendered from its own template, and judged by HAProxy."""

import json
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
import jsonschema_rs
import pytest
from ray.serve._private.haproxy import BackendConfig, HAProxyConfig, ServerConfig, _haproxy_fmt_literal
from ray.serve._private.haproxy_templates import HAPROXY_CONFIG_TEMPLATE
from ray.serve.config import HTTPOptions

from deployments.launch import front
from tests.document import openapi
from tests.free_ports import free_port
from tests.waiting import eventually

Lines = list[str]


def rendered(
    folder: Path,
    with_app: bool = True,
    *,
    port: int = 8000,
    replica: int = 30000,
    metrics: int = 9101,
    stats: int = 8404,
) -> str:
    """Serve's configuration for one application with one replica, or for none yet. The numbers are ports."""
    config = HAProxyConfig(
        socket_path=f"{folder}/admin",
        server_state_base=str(folder),
        server_state_file=f"{folder}/state",
        metrics_socket_path=f"{folder}/metrics",
        error_file_path=f"{folder}/500.http",
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        metrics_port=metrics,
        stats_port=stats,
    )
    backend = BackendConfig(
        name="http-graphside", path_prefix="/", servers=[ServerConfig(name="one", host="127.0.0.1", port=replica)]
    )
    environment = jinja2.Environment(autoescape=False)
    environment.filters["haproxy_fmt"] = _haproxy_fmt_literal
    backends = [backend] if with_app else []
    values: dict[str, Any] = {
        "config": config,
        "backends": backends,
        "backends_with_health_config": [
            {"backend": each, "health_config": each.build_health_check_config(config)} for each in backends
        ],
        "healthz_rules": "",
        "route_info": config.build_health_route_info(backends),
        "metrics_enabled": config.metrics_enabled,
        "metrics_socket_path": config.metrics_socket_path,
    }
    return environment.from_string(HAPROXY_CONFIG_TEMPLATE).render(values) + "\n"


def binds(configuration: str) -> Lines:
    return [line.split()[1] for line in configuration.splitlines() if line.strip().startswith("bind ")]


@pytest.fixture
def original(tmp_path: Path) -> str:
    return rendered(tmp_path)


def test_serve_leaves_ports_open_which_is_why_this_exists(original: str) -> None:
    assert any(address.startswith((":", "*:")) for address in binds(original))


def test_every_port_is_bound_to_loopback(original: str) -> None:
    assert all(address.startswith("127.0.0.1:") for address in binds(front.corrected(original)))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (None, "127.0.0.1:8000"),
        ("0.0.0.0", "0.0.0.0:8000"),
        ("192.0.2.7", "192.0.2.7:8000"),
        ("::1", "[::1]:8000"),
        ("::", "[::]:8000"),
    ],
)
def test_the_front_and_nothing_else_is_bound_to_the_host(host: str | None, address: str, original: str) -> None:
    addresses = binds(front.corrected(original, host))
    assert addresses.count(address) == 1
    assert sum(not each.startswith("127.0.0.1:") for each in addresses) == (host is not None)


@pytest.mark.parametrize("with_app", [True, False])
@pytest.mark.parametrize("host", [None, "0.0.0.0", "::1"])
def test_haproxy_accepts_the_result(with_app: bool, host: str | None, tmp_path: Path) -> None:
    (tmp_path / "h.cfg").write_text(front.corrected(rendered(tmp_path, with_app), host))
    checked = subprocess.run(
        [front._haproxy(), "-c", "-f", str(tmp_path / "h.cfg")], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        ("mode 600 level admin", "mode 666"),
        ("timeout http-request 30s", "log 127.0.0.1:514"),
        ("http-request set-header x-graphside-peer %[src]", "http-reuse always"),
        ("hdr Retry-After 1", "Ping http://"),
        ("http-error status 503 content-type application/json", "500.http"),
        ('http-after-response set-header X-Content-Type-Options "nosniff"', "500.http"),
    ],
)
def test_what_serve_leaves_loose_is_tightened(wanted: str, unwanted: str, original: str) -> None:
    result = front.corrected(original)
    assert unwanted in original
    assert unwanted not in result
    assert wanted in result


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("frontend http_frontend", "frontend other"),
        ("mode 666", "mode 0666"),
        ("    bind :9101", "    bind ipv4@:9101"),
        ("  bind *:8404", "  bind ipv4@*:8404"),
        ("defaults\n    mode http\n", "defaults\n    mode tcp\n"),
        ("http-reuse always", "http-reuse aggressive"),
        ("errorfile 502 ", "errorfile 501 "),
        ("errorfile 503 ", "http-error status 503 "),
        (
            "http-request return status 404 content-type text/plain lf-string",
            "http-request deny deny_status 404",
        ),
    ],
)
def test_a_configuration_that_lacks_what_an_edit_expects_is_refused(part: str, other: str, original: str) -> None:
    assert part in original
    with pytest.raises(ValueError, match="unknown shape"):
        front.corrected(original.replace(part, other))


@contextmanager
def silent_replica() -> Iterator[int]:
    """Yield the port of a server that is healthy, but reads each request and closes the connection."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if b"/-/healthz" in connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("app", "status", "kind"),
    [("none", 503, "Overloaded"), ("unreachable", 503, "Overloaded"), ("silent", 500, "InternalError")],
)
def test_haproxys_own_answers_are_errors_as_the_document_has_them(
    app: str, status: int, kind: str, tmp_path: Path
) -> None:
    port, metrics, stats, nobody = (free_port() for _ in range(4))
    with silent_replica() as silent:
        configuration = front.corrected(
            rendered(
                tmp_path, app != "none", port=port, replica=silent if app == "silent" else nobody,
                metrics=metrics, stats=stats,
            )
        )  # fmt: skip
        (tmp_path / "h.cfg").write_text(configuration)
        haproxy = subprocess.Popen([front._haproxy(), "-db", "-f", str(tmp_path / "h.cfg")], stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: _listens(port))
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/files/", timeout=30)
        finally:
            haproxy.kill()
            haproxy.wait()
    answer = caught.value
    body = json.loads(answer.read())
    assert (answer.status, body["type"]) == (status, kind)
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Retry-After"] == ("1" if status == 503 else None)
    assert jsonschema_rs.is_valid(openapi()["components"]["schemas"]["Error"], body)


def test_the_wrapper_corrects_the_file_and_becomes_the_program(original: str, tmp_path: Path) -> None:
    """A shell script in HAProxy's place prints its process id and what it was given."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho $$ "$@"\n')
    program.chmod(0o700)
    wrapper = front.write_wrapper(tmp_path, "0.0.0.0")
    wrapper.write_text(wrapper.read_text().replace(front._haproxy(), str(program)))
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(original)
    for _ in range(2):  # a second start finds the file corrected already
        started = subprocess.Popen([str(wrapper), "-db", "-f", str(configuration)], stdout=subprocess.PIPE, text=True)
        assert started.communicate(timeout=30)[0] == f"{started.pid} -db -f {configuration}\n"
        assert binds(configuration.read_text()).count("0.0.0.0:8000") == 1
