"""Where things really are around a live server: addresses and paths that a task must not be able to use."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import LiveServer

Address = tuple[str, int]


@dataclass(frozen=True)
class Surroundings:
    """Read from the processes of a server, from outside."""

    server: LiveServer

    def listening(self, word: str) -> list[Address]:
        """TCP addresses on which processes with ``word`` in their command line listen."""
        found = set()
        for process in self.server.find(word):
            with suppress(psutil.Error):
                for one in process.net_connections("tcp"):
                    if one.status == psutil.CONN_LISTEN:
                        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(one.laddr.ip, one.laddr.ip)
                        found.add((host, one.laddr.port))
        return sorted(found)

    def sockets(self, word: str) -> list[str]:
        """Paths of sockets in the server's private folder that have ``word`` in their name."""
        folder = Path(json.loads((self.server.data / "server.json").read_text())["folder"])
        return sorted(str(path) for path in folder.rglob(f"*{word}*") if path.is_socket())

    def pids(self) -> list[int]:
        return [process.pid for process in self.server.processes()]


def answers(address: Address | str) -> bool:
    """Whether something listens there, for this process, which nothing confines."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(2)
        return probe.connect_ex(address) == 0
