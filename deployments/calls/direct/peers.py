"""Tells which user the process at the other end of a Unix socket belongs to."""

import asyncio
import os
import socket
from struct import Struct
from typing import Final

_CREDENTIALS: Final = Struct("iII")  # pid, uid, gid


def is_ours(transport: asyncio.BaseTransport) -> bool:
    """Return True if the other process belongs to this process's user."""
    endpoint = transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(endpoint.fileno())) as copy:  # the transport may have no real socket
        credentials = copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(credentials)[1] == os.geteuid())
