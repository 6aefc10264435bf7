"""Whose process is at the other end of a Unix socket."""

import asyncio
import os
import socket
from struct import Struct
from typing import Final

_CREDENTIALS: Final = Struct("iII")  # pid, uid, gid


def is_ours(transport: asyncio.BaseTransport) -> bool:
    """Whether it is a process of this very user."""
    endpoint = transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(endpoint.fileno())) as copy:  # what the transport has may be no real socket
        credentials = copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(credentials)[1] == os.geteuid())
