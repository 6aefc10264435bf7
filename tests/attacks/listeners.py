"""Things that listen on the server's machine and that no task may reach."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4


class Listener:
    """Stands for Ray's control store, a raylet's socket, and whatever else listens. ``visitors`` should stay empty."""

    def __init__(self, family: int, kind: int, address: Any) -> None:
        self._socket = socket.socket(family, kind)
        self._socket.bind(address)
        self.address = self._socket.getsockname()
        if isinstance(self.address, bytes):
            self.address = self.address.decode()
        self.visitors: list[Any] = []
        if kind == socket.SOCK_STREAM:
            self._socket.listen()
        threading.Thread(target=self._accept if kind == socket.SOCK_STREAM else self._receive, daemon=True).start()

    @classmethod
    def all_kinds(cls) -> list[Listener]:
        """TCP on loopback, a socket in a directory that everybody may enter, an abstract socket, UDP on TCP's port."""
        name = f"attack-{uuid4().hex[:8]}"
        tcp = cls(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        path = cls(socket.AF_UNIX, socket.SOCK_STREAM, f"/tmp/{name}.sock")
        os.chmod(f"/tmp/{name}.sock", 0o777)
        abstract = cls(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{name}")
        return [tcp, path, abstract, cls(socket.AF_INET, socket.SOCK_DGRAM, tcp.address)]

    def close(self) -> None:
        self._socket.close()
        if isinstance(self.address, str) and self.address.startswith("/"):
            Path(self.address).unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            self.visitors.append(peer)
            connection.close()

    def _receive(self) -> None:
        while True:
            try:
                self.visitors.append(self._socket.recvfrom(64))
            except OSError:
                return
