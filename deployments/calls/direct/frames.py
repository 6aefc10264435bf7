"""The frames between an ingress and a runner. Each has a JSON object, and bytes beside it.

4 bytes    length of the JSON, little endian
4 bytes    length of the bytes
the JSON, the bytes
"""

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

import orjson

Message = dict[str, Any]

_HEAD: Final = Struct("<II")

MOST_BYTES: Final = 256 * 1024 * 1024
"""The longest frame. Sources, outputs and results that travel in frames have lower limits of their own."""


MOST_GREETING_BYTES: Final = 1024
"""The longest frame of a process that has not said the secret yet."""

MOST_NUMBER: Final = 2**53


class BadFrame(Exception):
    """The bytes that came are not a frame."""


def number_in(message: Message, name: str) -> int:
    """Return a number of a run or a slot. Raises ``BadFrame``, ``KeyError``."""
    value = message[name]
    if type(value) is not int or not 0 <= value <= MOST_NUMBER:
        raise BadFrame(f"not a number: {name}")
    return value


def encode(message: Message, content: bytes = b"") -> bytes:
    """Return a frame. Raises ``TypeError`` for a message that is not JSON."""
    text = orjson.dumps(message)
    return b"".join((_HEAD.pack(len(text), len(content)), text, content))


class Frames:
    """Finds the frames in a stream of bytes that arrives in pieces."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._buffer = bytearray()
        self.most = most
        """The longest frame that is taken."""

    def feed(self, data: bytes) -> Iterator[tuple[Message, bytes]]:
        """Yield the messages that are complete now. Raises ``BadFrame``."""
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            text_length, length = _HEAD.unpack_from(self._buffer)
            end = _HEAD.size + text_length + length
            if end > self.most:
                raise BadFrame("too long")
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer) as view:
                text = bytes(view[_HEAD.size : _HEAD.size + text_length])
                content = bytes(view[_HEAD.size + text_length : end])
            del self._buffer[:end]
            try:
                message = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise BadFrame("not JSON") from error
            if not isinstance(message, dict):
                raise BadFrame("not an object")
            yield message, content
