"""The kernel's packet-filter machine, as far as our filters use it: what a filter says of one call."""

import struct
from collections.abc import Sequence

ALLOW, KILL = "allow", "kill"


def verdict(code: bytes, architecture: int, number: int, arguments: Sequence[int] = ()) -> str | int:
    """``ALLOW``, ``KILL``, or the errno of the refusal (0: the caller is told that it went well)."""
    padded = [argument & (1 << 64) - 1 for argument in (*arguments, *([0] * (6 - len(arguments))))]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0xDEAD_0000_BEEF, *padded)
    instructions = list(struct.iter_unpack("<HBBI", code))
    accumulator = at = 0
    while True:
        operation, if_true, if_false, k = instructions[at]
        at += 1
        match operation:
            case 0x20:  # load a word
                assert k % 4 == 0
                (accumulator,) = struct.unpack_from("<I", data, k)
            case 0x05:  # jump
                at += k
            case 0x15:  # jump if equal
                at += if_true if accumulator == k else if_false
            case 0x35:  # jump if at least
                at += if_true if accumulator >= k else if_false
            case 0x54:  # and
                accumulator &= k
            case 0x06:  # return
                return _action(k)
            case _:
                raise AssertionError(f"operation {operation:#x} at {at - 1}")


def _action(value: int) -> str | int:
    if value == 0x7FFF0000:
        return ALLOW
    if value == 0x80000000:
        return KILL
    assert value & 0xFFFF0000 == 0x00050000, hex(value)
    return value & 0xFFFF
