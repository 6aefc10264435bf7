"""A direct connection runs nothing for strangers, and tells them nothing."""

import asyncio
import os
import socket
import struct
import subprocess
import sys

import pytest

from deployments.calls.direct.frames import encode
from deployments.calls.direct.line import connect
from tests.unit.direct.wired import Request, ask, wired
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.anyio


class TestStrangers:
    """The socket has no file whose permissions would guard it."""

    @staticmethod
    async def said_to(address: Request, data: bytes) -> bytes:
        """Return the answer of the server; no bytes if it ends the connection."""
        endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        endpoint.connect(f"\0{address['name']}")
        reader, writer = await asyncio.open_unix_connection(sock=endpoint)
        writer.write(data)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    @pytest.mark.parametrize(
        "data",
        [
            encode({"secret": "guessed"}),
            encode({"run": 1, "call": {}}),
            b"\xff" * 100,
            encode({"secret": ["s"]}) + encode({"run": 1, "call": {}}),
            struct.pack("<II", 1 << 20, 0),
        ],
        ids=["another-secret", "no-secret", "noise", "no-text", "a-long-greeting"],
    )
    async def test_without_the_secret_nothing_is_run(self, data: bytes) -> None:
        ran: list[Request] = []

        async def run(request: Request) -> Request:
            ran.append(request)
            return {}

        async with wired(run) as both:
            assert both.runner.address is not None
            assert await asyncio.wait_for(self.said_to(both.runner.address, data), WITHIN_S) == b""
            assert ran == []

    @pytest.mark.parametrize(
        "message",
        [
            {"run": "not a number"},
            {"run": 2**60, "call": {}},
            {"run": True},
            {"slot": 1.5},
            {"left": -1},
            {"secret": ""},
        ],
        ids=["text", "large", "flag", "fraction", "negative", "nothing"],
    )
    async def test_a_message_that_makes_no_sense_ends_the_connection(
        self, message: Request, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with wired() as both:
            assert both.runner.address is not None
            data = encode({"secret": both.runner.address["secret"]}) + encode(message)
            assert await asyncio.wait_for(self.said_to(both.runner.address, data), WITHIN_S) == b""
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "direct.bad_message" in caplog.text

    async def test_the_secret_and_a_long_call_may_come_in_one_piece(self) -> None:
        async with wired() as both:
            assert both.runner.address is not None
            call = encode({"run": 1, "call": {"length": 3, "source": "#" * 5000}})
            data = encode({"secret": both.runner.address["secret"]}) + call + encode({"run": "the end"})
            answer = await asyncio.wait_for(self.said_to(both.runner.address, data), WITHIN_S)
        assert answer == b"" or answer.endswith(bytes(3))  # the call was taken: what came after it ended the connection

    async def test_a_flood_of_strangers_is_one_line_of_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        async with wired() as both:
            assert both.runner.address is not None
            for _ in range(50):
                await asyncio.wait_for(self.said_to(both.runner.address, b"\xff" * 100), WITHIN_S)
            assert both.calls.take("d") is None
            assert await ask(await both.slot(), {}) == {"echo": {}, "content": b""}
        assert caplog.text.count("direct.") == 1
        assert "direct.stranger sent_away=1 last=no-secret" in caplog.text

    async def test_a_peer_that_says_nothing_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.server.GREETING_S", 0.1)
        async with wired() as both:
            assert both.runner.address is not None
            assert await asyncio.wait_for(self.said_to(both.runner.address, b""), WITHIN_S) == b""

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    async def test_a_process_of_another_user_is_sent_away_though_it_knows_the_secret(self) -> None:
        code = """
import os, socket, sys
os.setuid(12345)
endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
endpoint.connect("\\0" + sys.argv[1])
try:
    endpoint.sendall(bytes.fromhex(sys.argv[2]))
    print("answered" if endpoint.recv(1) else "sent away")
except ConnectionError:
    print("sent away")
"""

        async with wired() as both:
            assert both.runner.address is not None
            said = encode({"secret": both.runner.address["secret"]}) + encode({"run": 1, "call": {}})
            command = [sys.executable, "-c", code, both.runner.address["name"], said.hex()]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=WITHIN_S)
            assert done.stdout.strip() == "sent away", done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    async def test_a_socket_of_another_user_is_told_nothing(self) -> None:
        code = """
import os, socket, sys
os.setuid(12345)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind("\\0graphside-runner-forged")
listener.listen()
print("listening", flush=True)
peer, _ = listener.accept()
try:
    print(len(peer.recv(1000)), flush=True)
except ConnectionError:
    print(0, flush=True)
"""

        async with wired():
            command = [sys.executable, "-c", code]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forger:
                assert forger.stdout is not None
                assert (await asyncio.to_thread(forger.stdout.readline)).strip() == "listening"
                assert await connect({"name": "graphside-runner-forged", "secret": "s"}) is None
                assert (await asyncio.to_thread(forger.stdout.readline)).strip() == "0"
