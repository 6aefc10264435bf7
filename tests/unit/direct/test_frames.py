"""What goes over the socket: whole messages, however they come."""

import random

import pytest

from deployments.calls.direct.frames import MOST_BYTES, BadFrame, Frames, Message, encode

MESSAGES: list[tuple[Message, bytes]] = [
    ({"run": 1, "text": "ä\x00"}, b""),
    ({"run": 2}, bytes(range(256)) * 9),
    ({}, b""),
]
WHOLE = b"".join(encode(message, content) for message, content in MESSAGES)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 100, len(WHOLE)])
def test_messages_come_out_as_they_went_in_however_they_are_cut(size: int) -> None:
    frames = Frames()
    found = [found for start in range(0, len(WHOLE), size) for found in frames.feed(WHOLE[start : start + size])]
    assert found == MESSAGES


def test_what_is_not_json_is_refused_before_it_is_sent() -> None:
    with pytest.raises(TypeError):
        encode({"request": {1, 2}})


@pytest.mark.parametrize(
    "data",
    [
        (MOST_BYTES + 1).to_bytes(4, "little") + bytes(4),
        bytes(4) + MOST_BYTES.to_bytes(4, "little"),
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x01\0\0\0\0\0\0\0{",
        random.Random(1).randbytes(64),
    ],
    ids=["too-long", "too-much", "no-object", "no-json", "noise"],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Frames().feed(data))
