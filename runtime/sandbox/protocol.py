"""How the replica talks with the processes below it: JSON packets with file descriptors, and JSON frames.

Two channels, both socket pairs made by the replica and passed by descriptor, never by path:

- *control* (``SOCK_SEQPACKET``), to the template and to each holder: one JSON object a packet, descriptors beside it.
- *seat* (``SOCK_STREAM``), to each process that runs a stranger's code or parses a stranger's bytes: JSON objects with
  a 4-byte big-endian length before them.

Nothing that comes from below is unpickled or followed: a frame is bounded in size, decoded as JSON, and its fields are
checked by whoever reads them.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

import orjson

Message = dict[str, Any]

PACKET_BYTES: Final = 64 * 1024
"""Largest control packet. Anything that a user can make long travels as a memfd beside it."""

FRAME_BYTES: Final = 4 * 1024 * 1024
"""Largest frame on a seat's channel: source text (1 MiB at most, escaped) down."""

ANSWER_BYTES: Final = 1024 * 1024
"""Largest frame up from a seat: a traceback at most. Reading a forged one costs everybody's time."""

MAX_FDS: Final = 8

_LENGTH: Final = struct.Struct("!I")
_FD_BYTES: Final = array.array("i").itemsize


class ProtocolError(Exception):
    """The other side closed the channel in the middle of a message, or sent what cannot be a message."""


def send_packet(sock: socket.socket, message: Message, fds: tuple[int, ...] = ()) -> None:
    """Send one control packet. Raises ``BlockingIOError`` where a non-blocking socket is full."""
    data = orjson.dumps(message)
    if len(data) > PACKET_BYTES:
        raise ValueError(f"control packet of {len(data)} bytes")
    sock.sendmsg([data], ancillary_of(fds))


def ancillary_of(fds: tuple[int, ...]) -> list[tuple[int, int, array.array[int]]]:
    """What ``sendmsg`` takes beside the bytes so that descriptors travel with them."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []


def recv_packet(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """The next control packet and its descriptors; None at the end of the channel.

    Raises ``ProtocolError`` on a packet that is cut or not a JSON object, ``BlockingIOError`` on a non-blocking socket
    with nothing to read.
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
    """The bytes of one frame. Raises ``ValueError`` where it would be longer than ``FRAME_BYTES``."""
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
    """Read one frame from a blocking stream, and the descriptors that came with it; None at its end."""
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
    """Length of the frame that follows these 4 bytes. Raises ``ProtocolError`` above ``most``."""
    length: int = _LENGTH.unpack(head)[0]
    if length > most:
        raise ProtocolError(f"frame of {length} bytes")
    return length


class FrameBuffer:
    """Collects the bytes of frames as they come, each of ``most`` bytes at most."""

    def __init__(self, most: int = FRAME_BYTES) -> None:
        self._data = bytearray()
        self._most = most

    def feed(self, data: bytes) -> Message | None:
        """The first frame that is whole, which goes, else None. Raises ``ProtocolError`` on one that cannot be."""
        self._data += data
        if len(self._data) < _LENGTH.size:
            return None
        length = frame_length(bytes(self._data[: _LENGTH.size]), self._most)
        end = _LENGTH.size + length
        if len(self._data) < end:
            return None
        body = bytes(self._data[_LENGTH.size : end])
        del self._data[:end]
        return _object(body)


def close_all(fds: list[int] | tuple[int, ...]) -> None:
    """Close descriptors that nobody took."""
    for fd in fds:
        os.close(fd)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % _FD_BYTES])
    return list(fds)


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
