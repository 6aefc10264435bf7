"""The messages between the replica and the processes below it: JSON packets and JSON frames, with file descriptors.

There are two kinds of channel. The replica makes both as socket pairs and passes them by descriptor, never by path:

- *control* (``SOCK_SEQPACKET``), to the template and to each holder: one JSON object a packet, with descriptors.
- *seat* (``SOCK_STREAM``), to each process that runs a task or parses an upload: JSON objects, each after its length in
  4 bytes (big-endian).

The replica never unpickles what comes from below, and never follows a path in it. It bounds the size of each frame and
decodes it as JSON; the code that reads a message checks its fields.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

import orjson

from runtime.json_outline import outside_of_texts

Message = dict[str, Any]

PACKET_BYTES: Final = 64 * 1024
"""Size limit of a control packet. Anything that a user can make long travels as a memfd beside it."""

FRAME_BYTES: Final = 4 * 1024 * 1024
"""Size limit of a frame to a seat. The longest has the source of a task (at most 1 MiB before it is escaped)."""

ANSWER_BYTES: Final = 1024 * 1024
"""Size limit of a frame from a seat, of which the longest has a traceback. Reading a forged one takes time from all."""

MOST_ITEMS: Final = 20_000
"""The most items of all lists and objects in a frame from below; the columns of a table are the most that there are.
To make more of them would hold the replica's interpreter for a tenth of a second."""

_SURELY_FEW: Final = MOST_ITEMS  # bytes: an item has one at least

MAX_FDS: Final = 8

_LENGTH: Final = struct.Struct("!I")
_FD_BYTES: Final = array.array("i").itemsize


class ProtocolError(Exception):
    """The other side closed the channel in the middle of a message, or sent bytes that are no message."""


def send_packet(sock: socket.socket, message: Message, fds: tuple[int, ...] = ()) -> None:
    """Send one control packet. Raises ``BlockingIOError`` if a non-blocking socket is full."""
    data = orjson.dumps(message)
    if len(data) > PACKET_BYTES:
        raise ValueError(f"control packet of {len(data)} bytes")
    sock.sendmsg([data], ancillary_of(fds))


def ancillary_of(fds: tuple[int, ...]) -> list[tuple[int, int, array.array[int]]]:
    """Return the ancillary data with which ``sendmsg`` passes descriptors."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []


def recv_packet(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """Return the next control packet and its descriptors; None at the end of the channel.

    Raises ``ProtocolError`` if the packet is cut or is not a JSON object, ``BlockingIOError`` if a non-blocking socket
    has nothing to read.
    """
    data, ancillary, flags, _ = sock.recvmsg(
        PACKET_BYTES, socket.CMSG_SPACE(MAX_FDS * _FD_BYTES), socket.MSG_CMSG_CLOEXEC
    )
    fds = _descriptors(ancillary)
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ProtocolError("control packet cut")
        if not data:
            close_all(fds)
            return None
        return _object(data), fds
    except ProtocolError:
        close_all(fds)
        raise


def encode_frame(message: Mapping[str, Any]) -> bytes:
    """Return the bytes of one frame. Raises ``ValueError`` if it would be longer than ``FRAME_BYTES``."""
    data = orjson.dumps(message)
    if len(data) > FRAME_BYTES:
        raise ValueError(f"frame of {len(data)} bytes")
    return _LENGTH.pack(len(data)) + data


def send_frame(fd: int, message: Mapping[str, Any]) -> None:
    """Write one frame to a blocking descriptor."""
    data = memoryview(encode_frame(message))
    while data:
        data = data[os.write(fd, data) :]


def recv_frame(fd: int) -> Message | None:
    """Read one frame from a blocking descriptor; None at end of file before its first byte."""
    head = _read_exactly(fd, _LENGTH.size)
    if head is None:
        return None
    body = _read_exactly(fd, frame_length(head))
    if body is None:
        raise ProtocolError("frame cut")
    return _object(body)


def recv_frame_and_fds(channel: socket.socket) -> tuple[Message, list[int]] | None:
    """Read one frame and its descriptors from a blocking stream; None at its end."""
    head, ancillary, flags, _ = channel.recvmsg(
        _LENGTH.size, socket.CMSG_SPACE(MAX_FDS * _FD_BYTES), socket.MSG_CMSG_CLOEXEC
    )
    fds = _descriptors(ancillary)
    if not head and not fds:
        return None
    body = None
    if len(head) == _LENGTH.size and not flags & socket.MSG_CTRUNC:
        body = _read_exactly(channel.fileno(), frame_length(head))
    if body is None:
        close_all(fds)
        raise ProtocolError("frame cut")
    return _object(body), fds


def frame_length(head: bytes, most: int = FRAME_BYTES) -> int:
    """Decode the 4 bytes before a frame. Raises ``ProtocolError`` if the frame is longer than ``most``."""
    length: int = _LENGTH.unpack(head)[0]
    if length > most:
        raise ProtocolError(f"frame of {length} bytes")
    return length


class FrameBuffer:
    """Joins bytes as they arrive into frames of at most ``most`` bytes."""

    def __init__(self, most: int = FRAME_BYTES) -> None:
        self._data = bytearray()
        self._most = most

    def feed(self, data: bytes) -> Message | None:
        """Add bytes, and take out the first frame if it is complete.

        Raises ``ProtocolError`` if it is no message, or has more than ``MOST_ITEMS``.
        """
        self._data += data
        if len(self._data) < _LENGTH.size:
            return None
        length = frame_length(bytes(self._data[: _LENGTH.size]), self._most)
        end = _LENGTH.size + length
        if len(self._data) < end:
            return None
        body = bytes(self._data[_LENGTH.size : end])
        del self._data[:end]
        _check_items(body)
        return _object(body)


def close_all(fds: list[int] | tuple[int, ...]) -> None:
    """Close descriptors that came with a message."""

    for fd in fds:
        os.close(fd)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % _FD_BYTES])
    return list(fds)


def _check_items(data: bytes) -> None:
    """Raise ``ProtocolError`` if a frame from below has too many items, before any of them is made."""
    if len(data) <= _SURELY_FEW:
        return
    outside = outside_of_texts(data, 2 * MOST_ITEMS)  # an item has a key and a value at most
    if outside is None:
        raise ProtocolError("too many texts")
    if sum(map(outside.count, (b",", b"[", b"{"))) > MOST_ITEMS:
        raise ProtocolError("too many items")


def _object(data: bytes) -> Message:
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProtocolError("not JSON") from error
    if not isinstance(message, dict):
        raise ProtocolError("not a JSON object")
    return message


def _read_exactly(fd: int, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        chunk = os.read(fd, count - len(data))
        if not chunk:
            if data:
                raise ProtocolError("frame cut")
            return None
        data += chunk
    return bytes(data)
