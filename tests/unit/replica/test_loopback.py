import pytest
from ray.serve._private import replica

from deployments.replica.loopback import keep_replica_port_local

ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that Serve's function was asked to open, from here on."""
    addresses: list[str] = []

    def add_port_to_grpc_server(_server: object, address: str) -> int:
        addresses.append(address)
        return 4711

    monkeypatch.setattr(replica, "add_port_to_grpc_server", add_port_to_grpc_server)
    return addresses


def test_serve_still_has_the_function_that_is_replaced() -> None:
    assert callable(getattr(replica, "add_port_to_grpc_server", None))


def test_alone_the_port_is_opened_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = opened(monkeypatch)
    monkeypatch.setenv(ALONE, "0")
    assert keep_replica_port_local()
    assert replica.add_port_to_grpc_server(None, "[::]:0") == 4711  # type: ignore[attr-defined, no-untyped-call]
    assert addresses == ["127.0.0.1:0"]


def test_in_a_cluster_other_nodes_reach_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = opened(monkeypatch)
    monkeypatch.delenv(ALONE, raising=False)
    assert not keep_replica_port_local()
    replica.add_port_to_grpc_server(None, "[::]:0")  # type: ignore[attr-defined, no-untyped-call]
    assert addresses == ["[::]:0"]


def test_another_release_of_serve_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALONE, "0")
    monkeypatch.delattr(replica, "add_port_to_grpc_server")
    assert not keep_replica_port_local()
