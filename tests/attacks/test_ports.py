"""Another user of the machine at the server's ports: Ray's without its token, noise and floods at all of them."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
import ray.core.generated

from tests.attacks.arena import Arena
from tests.attacks.surroundings import Address, Surroundings
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.best_mode]

NODES = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"


def methods() -> list[str]:
    """Every method of every service of Ray."""
    folder = Path(next(iter(ray.core.generated.__path__)))
    return sorted(
        {name for path in folder.glob("*_grpc.py") for name in re.findall(r"'(/ray\.[^']+)'", path.read_text())}
    )


def one_of_each_service() -> list[str]:
    return list({method.rpartition("/")[0]: method for method in methods()}.values())


def called(address: Address, tried: list[str], token: str | None = None) -> Iterator[tuple[str, grpc.StatusCode]]:
    """How each method answers an empty request. Ends early where no gRPC is spoken."""
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    host, port = address
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with grpc.insecure_channel(target) as channel:  # type: ignore[no-untyped-call]
        for method in tried:
            try:
                channel.unary_unary(method)(b"", timeout=2, metadata=metadata)
                yield method, grpc.StatusCode.OK
            except grpc.RpcError as error:
                code = cast(Any, error).code()
                yield method, code
                if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    return


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_ray_answers_no_call_without_its_token(arena: Arena, token: str | None) -> None:
    around = Surroundings(arena.server)
    tried = methods() if token is None else one_of_each_service()
    found = [
        (address, method, code)
        for word in ("gcs_server", "raylet/raylet", "ServeReplica", "ServeController", "ProxyActor")
        for address in around.listening(word)
        for method, code in called(address, tried, token)
    ]
    assert [each for each in found if each[2] is grpc.StatusCode.OK] == []
    assert grpc.StatusCode.UNAUTHENTICATED in {code for _, _, code in found}


def test_with_the_token_the_same_call_is_answered(arena: Arena) -> None:
    """So the test above asks for what is there."""
    token = (arena.server.data / "ray_token").read_text().strip()
    answers = [
        found
        for address in Surroundings(arena.server).listening("gcs_server")
        for found in called(address, [NODES], token)
    ]
    assert (NODES, grpc.StatusCode.OK) in answers


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer 0"}, {"Authorization": f"Bearer {'0' * 64}"}])
def test_nobody_starts_a_job_without_the_token(arena: Arena, headers: dict[str, str], tmp_path: Path) -> None:
    dashboard = next(line.split()[1] for line in arena.server.output.splitlines() if line.startswith("  dashboard "))
    job = {"entrypoint": f"touch {tmp_path}/it-ran"}
    for method, path, body in (
        ("POST", "/api/jobs/", job),
        ("GET", "/api/jobs/", None),
        ("GET", "/api/serve/applications/", None),
        ("PUT", "/api/serve/applications/", {"applications": []}),
        ("DELETE", "/api/serve/applications/", None),
        ("GET", "/nodes?view=summary", None),
    ):
        answer = httpx.request(method, dashboard + path, json=body, headers=headers, trust_env=False, timeout=30)
        assert answer.status_code in (401, 403), (method, path, answer.text)
    assert not (tmp_path / "it-ran").exists()


def noises() -> list[bytes]:
    """What ports get that expect something else."""
    generator = random.Random(7)
    return [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + generator.randbytes(2000),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + b"\xff\xff\xff\1\5\0\0\0\1",
        b"\x16\3\1\2\0\1\0\1\xfc\3\3" + generator.randbytes(508),
        generator.randbytes(100_000),
        bytes(1_000_000),
        b"\x80\x05\x95" + generator.randbytes(500),
        b"",
    ]


@pytest.mark.soak
def test_noise_at_every_port_stops_nothing(arena: Arena) -> None:
    around = Surroundings(arena.server)
    before = {
        process.pid
        for word in ("gcs_server", "raylet/raylet", "ServeReplica", "haproxy")
        for process in arena.server.find(word)
    }
    with ExitStack() as open_ones:
        for host, port in around.listening(""):
            for noise in noises():
                with suppress(OSError):
                    connection = socket.create_connection((host, port), timeout=2)
                    open_ones.callback(connection.close)
                    connection.sendall(noise)
        assert arena.person.run(arena.dataset_id, "def task(g): return len(g._edges)").status_code == 200
    assert arena.person.run(arena.dataset_id, "def task(g): return len(g._edges)").status_code == 200
    after = {
        process.pid
        for word in ("gcs_server", "raylet/raylet", "ServeReplica", "haproxy")
        for process in arena.server.find(word)
    }
    assert after == before


@pytest.mark.soak
def test_connections_of_many_addresses_leave_room_for_others(arena: Arena) -> None:
    """Half of them have begun a request."""
    with ExitStack() as open_ones:
        for source in range(2, 14):
            for number in range(450):
                with suppress(ConnectionError):  # the last quarter is for addresses with few
                    connection = socket.create_connection(
                        ("127.0.0.1", arena.server.port), timeout=10, source_address=(f"127.0.0.{source}", 0)
                    )
                    open_ones.callback(connection.close)
                    connection.sendall(
                        b"POST /api-token-auth/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n" if number % 2 else b""
                    )
        for _ in range(20):
            assert arena.person.run(arena.dataset_id, "def task(g): return 1").status_code == 200
    eventually(lambda: arena.person.http.get("/api/v2/datasets/").status_code == 200)
