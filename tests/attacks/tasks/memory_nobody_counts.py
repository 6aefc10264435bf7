"""Memory that is in nobody's account: shared, without a name, dropped from the process and still there.

{"outcome": ["ok"], "result": {"through": []}}
"""

import ctypes
import mmap
import os


def task(g):
    through = []
    for name, act in (
        ("shared anonymous", lambda: mmap.mmap(-1, 1 << 20)),
        ("dev zero", lambda: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 1 << 20)),
        ("dev shm", lambda: open("/dev/shm/graphside-attack", "w")),
        ("memfd", lambda: os.memfd_create("x")),
        ("unnamed file outside", lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR)),
        (
            "mlock",
            lambda: ctypes.CDLL(None, use_errno=True).mlock(ctypes.create_string_buffer(1 << 20), 1 << 20) and 1 / 0,
        ),
    ):
        try:
            act()
            through.append(name)
        except (OSError, ArithmeticError, AttributeError):
            continue
    return {"through": through}
