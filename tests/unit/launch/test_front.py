"""What becomes of the configuration that Serve writes: rendered from its own template, and judged by HAProxy."""

import os
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ray.serve._private.haproxy import BackendConfig, HAProxyConfig, ServerConfig, _haproxy_fmt_literal
from ray.serve._private.haproxy_templates import HAPROXY_CONFIG_TEMPLATE
from ray.serve.config import HTTPOptions

from deployments.launch import front, haproxy_config
from deployments.launch.haproxy_config import FrontOptions
from deployments.replica.front_headers import SECRET_FILE, front_secret
from tests.waiting import WITHIN_S

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
    assert all(address.startswith("127.0.0.1:") for address in binds(haproxy_config.corrected(original)))


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
    addresses = binds(haproxy_config.corrected(original, FrontOptions(host)))
    assert addresses.count(address) == 1
    assert sum(not each.startswith("127.0.0.1:") for each in addresses) == (host is not None)


@pytest.mark.parametrize("with_app", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        FrontOptions(),
        FrontOptions("0.0.0.0", has_secret=True),
        FrontOptions("::1", connections_per_address=500),
        FrontOptions(None, True, 1, ("10.0.0.0/8", "2001:db8::/32"), 1_048_576),
    ],
)
def test_haproxy_accepts_the_result(with_app: bool, options: FrontOptions, tmp_path: Path) -> None:
    (tmp_path / "h.cfg").write_text(haproxy_config.corrected(rendered(tmp_path, with_app), options))
    checked = subprocess.run(
        [front._haproxy(), "-c", "-f", str(tmp_path / "h.cfg")],
        capture_output=True, text=True, timeout=WITHIN_S, check=False, env={haproxy_config.SECRET: "5" * 64},
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert "[ALERT]" not in checked.stderr


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(1_048_576, 20_000), (20_000, 6_581), (4_096, 1_280), (256, 64)]
)
def test_the_front_takes_as_many_connections_as_its_descriptors_allow(
    descriptors: int, connections: int, original: str
) -> None:
    result = haproxy_config.corrected(original, FrontOptions(descriptors=descriptors))
    assert f"    maxconn {connections}\n" in result


@pytest.mark.parametrize(
    ("descriptors", "most"), [(1_048_576, 500), (20_000, 500), (1_755, 124), (1_024, 64), (256, 16)]
)
def test_few_descriptors_leave_room_for_others_than_one_address(descriptors: int, most: int, original: str) -> None:
    """IPv6 addresses count by site, because who has a site has 65,536 networks."""
    options = FrontOptions(connections_per_address=500, descriptors=descriptors)
    result = haproxy_config.corrected(original, options)
    assert "track-sc0 src,ipmask(32,48) " in result
    assert f"sc0_conn_cur gt {most} " in result
    assert 2 * most <= options.most_connections // 2


def test_the_last_quarter_of_all_connections_is_for_addresses_with_few(original: str) -> None:
    options = FrontOptions(connections_per_address=500, descriptors=20_000)
    assert "reject if { fe_conn gt 4935 } { sc0_conn_cur gt 102 }" in haproxy_config.corrected(original, options)


def test_a_number_that_the_operator_chose_for_serve_stays(original: str) -> None:
    chosen = original.replace("maxconn 4096", "maxconn 77").replace("timeout client 3600s", "timeout client 5s")
    result = haproxy_config.corrected(chosen)
    assert "    maxconn 77\n" in result
    assert "    timeout client 5s\n" in result


@pytest.mark.parametrize(
    "environment",
    [
        {"GRAPHSIDE_CONNECTIONS_PER_ADDRESS": "many"},
        {"GRAPHSIDE_CONNECTIONS_PER_ADDRESS": "-1"},
        {"GRAPHSIDE_CONNECTIONS_PER_ADDRESS": "1 }\nbind :99"},
        {"GRAPHSIDE_TRUSTED_FORWARDERS": "10.0.0.0/8, proxy.example"},
        {"GRAPHSIDE_TRUSTED_FORWARDERS": "10.0.0.0/8 } or { always_true"},
    ],
)
def test_a_variable_that_is_wrong_never_becomes_part_of_the_configuration(environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"GRAPHSIDE_CONNECTIONS_PER_ADDRESS|IPv4 or IPv6"):
        FrontOptions.read(environment, None, False, 1024)


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        ("mode 600 level admin", "mode 666"),
        ("timeout http-request 30s", "log 127.0.0.1:514"),
        ("timeout client 120s", "timeout client 3600s"),
        ("bind 127.0.0.1:8000 proto h1", "maxconn 4096"),
        ("http-request set-header x-graphside-peer %[src]", "http-reuse always"),
        ("hdr Retry-After 1", "Ping http://"),
        ("http-error status 503 content-type application/json", "500.http"),
        ('http-after-response set-header X-Content-Type-Options "nosniff"', "500.http"),
    ],
)
def test_what_serve_leaves_loose_is_tightened(wanted: str, unwanted: str, original: str) -> None:
    result = haproxy_config.corrected(original)
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
        haproxy_config.corrected(original.replace(part, other))


def test_the_wrapper_corrects_the_file_and_becomes_the_program(original: str, tmp_path: Path) -> None:
    """A shell script in HAProxy's place prints its process id and what it was given."""
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho $$ "${haproxy_config.SECRET}" "$@"\n')
    program.chmod(0o700)
    key = tmp_path / "key"
    key.write_text("k" * 64)
    wrapper = front.write_wrapper(tmp_path, "0.0.0.0")
    wrapper.write_text(wrapper.read_text().replace(front._haproxy(), str(program)))
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(original)
    secret = front_secret({SECRET_FILE: str(key)})
    assert secret is not None
    for _ in range(2):  # a second start finds the file corrected already
        started = subprocess.Popen(
            [str(wrapper), "-db", "-f", str(configuration)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, SECRET_FILE: str(key), "GRAPHSIDE_CONNECTIONS_PER_ADDRESS": "7"},
        )  # fmt: skip
        assert started.communicate(timeout=WITHIN_S)[0] == f"{started.pid} {secret} -db -f {configuration}\n"
        result = configuration.read_text()
        assert binds(result).count("0.0.0.0:8000") == 1
        assert "sc0_conn_cur gt 7 " in result
        assert secret not in result


@pytest.mark.parametrize("content", [None, "short"])
def test_without_the_secret_that_is_named_no_front_starts(content: str | None, original: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_text(content)
    wrapper = front.write_wrapper(tmp_path)
    (tmp_path / "haproxy.cfg").write_text(original)
    started = subprocess.run(
        [str(wrapper), "-c", "-f", str(tmp_path / "haproxy.cfg")],
        capture_output=True, text=True, timeout=WITHIN_S, check=False, env={**os.environ, SECRET_FILE: str(key)},
    )  # fmt: skip
    assert started.returncode != 0
    assert (tmp_path / "haproxy.cfg").read_text() == original
