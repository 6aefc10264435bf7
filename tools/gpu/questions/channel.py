"""Messages between the probe and its children: JSON with its length before it, and descriptors beside it."""

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

_LENGTH: Final = struct.Struct("=Q")
_MOST_DESCRIPTORS: Final = 4


class Closed(Exception):
    """The other side is gone, or it said nothing within its time."""


class Channel:
    """One end of a connected pair of stream sockets."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message and descriptors. Raises ``Closed``."""
        data = json.dumps(message).encode()
        try:
            socket.send_fds(self._end, [_LENGTH.pack(len(data))], descriptors)
            self._end.sendall(data)
        except OSError as error:
            raise Closed(str(error)) from error

    def receive(self, deadline_s: float | None = None) -> tuple[dict[str, Any], list[int]]:
        """Wait for a message. Raises ``Closed``."""
        self._end.settimeout(deadline_s)
        try:
            head, descriptors, _, _ = socket.recv_fds(self._end, _LENGTH.size, _MOST_DESCRIPTORS)
            if len(head) < _LENGTH.size:
                raise Closed("the other side ended")
            return json.loads(self._exactly(_LENGTH.unpack(head)[0])), descriptors
        except TimeoutError as error:
            raise Closed(f"no answer within {deadline_s:.0f} s") from error
        except OSError as error:
            raise Closed(str(error)) from error

    def close(self) -> None:
        self._end.close()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._end.recv(min(size - len(data), 1 << 20))
            if not part:
                raise Closed("the other side ended within a message")
            data += part
        return bytes(data)
