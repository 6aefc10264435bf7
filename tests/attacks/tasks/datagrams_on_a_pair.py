"""A pair of sockets is allowed; a datagram sent from one of them to a path would leave the process.

{"outcome": ["ok"], "result": {"through": []}}
"""

import socket


def task(g):
    through = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
        try:
            left, right = socket.socketpair(socket.AF_UNIX, kind)
        except OSError:
            continue
        if kind != socket.SOCK_STREAM:
            through.append(f"pair of kind {int(kind)}")
        for name, act in (
            ("sendto path", lambda: left.sendto(b"x", "@@UNIX_SOCKET@@")),
            ("sendto abstract", lambda: left.sendto(b"x", "\0@@ABSTRACT_SOCKET@@")),
            ("connect", lambda: left.connect("@@UNIX_SOCKET@@")),
            ("bind", lambda: left.bind("here")),
            ("send descriptors", lambda: socket.send_fds(left, [b"x"], [0])),
        ):
            try:
                act()
                through.append(name)
            except OSError:
                continue
    return {"through": through}
