"""A descriptor can be told to send signals to somebody.

{"outcome": ["ok"], "result": {"through": []}}
"""
import fcntl
import os
import signal


def task(g):
    reading, writing = os.pipe()
    through = []
    for name, act in (
        ("F_SETOWN", lambda: fcntl.fcntl(reading, 8, @@SERVER_PID@@)),
        ("F_SETOWN_EX", lambda: fcntl.fcntl(reading, 15, b"\1\0\0\0" + (@@SERVER_PID@@).to_bytes(4, "little"))),
        ("F_SETSIG", lambda: fcntl.fcntl(reading, 10, signal.SIGKILL)),
        ("FIOSETOWN", lambda: fcntl.ioctl(reading, 0x8901, (@@SERVER_PID@@).to_bytes(4, "little"))),
        ("F_NOTIFY", lambda: fcntl.fcntl(os.open(".", os.O_RDONLY), 1026, 1)),
        ("lease", lambda: fcntl.fcntl(os.open("f", os.O_CREAT | os.O_RDWR), 1024, 1)),
        ("pipe size", lambda: fcntl.fcntl(writing, 1031, 1 << 20)),
    ):
        try:
            act()
            through.append(name)
        except OSError:
            continue
    return {"through": through}
