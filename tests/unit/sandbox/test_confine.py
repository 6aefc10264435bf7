"""Limits that every process below the replica has, and what they leave to the server where it is the same user."""

import asyncio
import fcntl
import os
import resource
import signal
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from runtime.sandbox.guest import confine
from runtime.sandbox.host.output import OutputPipe
from tests.unit.sandbox.forked import as_user, in_a_child

SOMEBODY = 61_235
GET_PIPE_SIZE = 1032

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody who has nothing else here")


def _wall_in() -> None:
    confine.raise_walls(open_files=256, file_bytes=1 << 20)


@pytest.mark.parametrize(("most", "left"), [(1000, 875), (8, 7), (3, 3)])
def test_an_eighth_of_the_users_processes_is_left_to_the_server(most: int, left: int) -> None:
    def walled() -> list[int]:
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        _wall_in()
        return list(resource.getrlimit(resource.RLIMIT_NPROC))

    assert in_a_child(walled) == [left, left]


def test_where_the_user_may_have_any_number_no_limit_is_put_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(confine, "limit", lambda which, *_: asked.append(which))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    confine._leave_processes()
    assert asked == []


def test_few_signals_wait_and_the_server_can_still_queue_its_own() -> None:
    def queue() -> list[bool]:
        me, signals = threading.get_ident(), range(1000)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _wall_in()
            queued = 0
            with suppress(BlockingIOError):
                for _ in signals:
                    signal.pthread_kill(me, signal.SIGRTMIN)
                    queued += 1
            os.write(writing, b"%d" % queued)
            signal.pause()
        of_the_run = int(os.read(reading, 16))
        signal.pthread_kill(me, signal.SIGRTMIN)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return [of_the_run <= confine.SIGNALS, signal.SIGRTMIN in signal.sigpending()]

    assert as_user(SOMEBODY, queue) == [True, True]


def test_a_runs_output_is_read_where_the_users_pipes_are_used_up() -> None:
    """The kernel then gives pipes of two pages: smaller, and no less a pipe."""
    enough = int(Path("/proc/sys/fs/pipe-user-pages-soft").read_text()) // 16 + 16
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 2 * enough + 100:
        pytest.skip("so many pipes cannot be open here")

    def print_and_end(writing: FileIO) -> None:
        with writing:
            writing.write(bytes(200_000))

    def printed() -> list[int]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        taken = [os.pipe() for _ in range(enough)]

        async def run() -> list[int]:
            pipe = OutputPipe(1 << 20)
            size = fcntl.fcntl(pipe.write_fd, GET_PIPE_SIZE)
            writing = open(os.dup(pipe.write_fd), "wb", buffering=0)
            pipe.close_write()
            pipe.start()
            thread = threading.Thread(target=print_and_end, args=(writing,))
            thread.start()
            await asyncio.to_thread(thread.join)
            pipe.finish()
            return [size, len(pipe.text()), len(taken)]

        return asyncio.run(run())

    assert as_user(SOMEBODY, printed) == [2 * resource.getpagesize(), 200_000, enough]


@pytest.mark.parametrize(
    "order",
    [
        [0, 1, 2, 9, 4, 3],
        [0, 1, 2, 4, 3],
        [3, 2, 1, 0],
        [1, 1, 1],
        [2, 0, 1],
        [6, 5, 4, 3, 0, 1, 2],
        [0, 1, 2, 3],
        [5, 6, 4, 3, 5],
        [9, 8, 7, 0, 1, 2],
    ],
)
def test_each_descriptor_arrives_at_its_number_whatever_the_order(order: list[int]) -> None:
    def arrived() -> list[str]:
        reading, writing = os.pipe()
        if os.fork() == 0:
            answer = fcntl.fcntl(writing, fcntl.F_DUPFD, 50)
            files = [fcntl.fcntl(os.memfd_create(str(number)), fcntl.F_DUPFD, 100) for number in range(10)]
            for number, fd in enumerate(files):
                os.dup2(fd, number)
            confine.take_fds([*order, answer])
            kinds = [os.readlink(f"/proc/self/fd/{target}") for target in range(len(order))]
            os.write(len(order), " ".join(kind.split(":")[1].split()[0] for kind in kinds).encode())
            os._exit(0)
        os.close(writing)
        return os.read(reading, 1000).decode().split()

    assert in_a_child(arrived) == [str(source) for source in order]
