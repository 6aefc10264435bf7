import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.launch.errors import LaunchError
from deployments.launch.machine import ports
from tests.waiting import WITHIN_S


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_taken_port_is_refused_and_the_variable_named(taken: int) -> None:
    with pytest.raises(LaunchError, match=f"port {taken} on 127.0.0.1 is in use.*GRAPHSIDE_PORT"):
        ports.require_free("127.0.0.1", taken)


def test_a_port_taken_on_loopback_is_taken_for_every_address(taken: int) -> None:
    with pytest.raises(LaunchError, match="in use"):
        ports.require_free("0.0.0.0", taken)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(LaunchError, match=r"GRAPHSIDE_HOST=192\.0\.2\.1 is not an address"):
        ports.require_free("192.0.2.1", 8000)


def test_a_free_port_passes() -> None:
    ports.require_free("127.0.0.1", ports.pick())


def test_the_preferred_port_is_picked_only_while_free(taken: int) -> None:
    assert ports.pick(taken) != taken
    free = ports.pick()
    assert ports.pick(free) == free
    assert ports.pick(free, taken=frozenset({free})) != free


def test_names_resolve_to_addresses() -> None:
    assert ports.resolve("127.0.0.1") == "127.0.0.1"
    assert ports.resolve("localhost") in ("127.0.0.1", "::1")
    with pytest.raises(LaunchError, match="GRAPHSIDE_HOST=no such host"):
        ports.resolve("no such host")


def test_a_claimed_port_is_not_given_to_a_second_server() -> None:
    preferred = ports.pick()
    claim = f"from deployments.launch.machine.ports import claim; print(claim({preferred}))"
    assert ports.claim(preferred) == preferred
    second = subprocess.run([sys.executable, "-c", claim], capture_output=True, text=True, check=True, timeout=WITHIN_S)
    assert int(second.stdout) != preferred


def test_any_port_is_one_that_no_connection_is_given() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports.pick() for _ in range(20)) < first
