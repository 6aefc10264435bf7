"""A child that its forker reports after nobody waits for it any more."""

import asyncio
import os
import signal
import socket
import subprocess

import pytest

from runtime.errors import RunInterrupted
from runtime.sandbox.host import children
from runtime.sandbox.host.children import ForkerClient
from runtime.sandbox.protocol import recv_packet, send_packet
from tests.waiting import WITHIN_S


@pytest.mark.anyio
@pytest.mark.parametrize("leaves", [False, True], ids=["too late", "its caller left"])
async def test_a_child_that_nobody_waits_for_any_more_is_killed(monkeypatch: pytest.MonkeyPatch, leaves: bool) -> None:
    monkeypatch.setattr(children, "FORK_TIMEOUT_S", WITHIN_S if leaves else 0.01)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client = ForkerClient(near, "slow")
    forking = asyncio.create_task(client.fork({}, ()))
    received = await asyncio.to_thread(recv_packet, far)
    assert received is not None
    if leaves:
        forking.cancel()
    with pytest.raises(asyncio.CancelledError if leaves else RunInterrupted):
        await forking
    process = subprocess.Popen(["sleep", "1000"])
    pidfd = os.pidfd_open(process.pid)
    send_packet(far, {"event": "child", "child": received[0]["child"]}, (pidfd,))
    assert await asyncio.to_thread(process.wait, WITHIN_S) == -signal.SIGKILL
    client.close()
    far.close()
    os.close(pidfd)
