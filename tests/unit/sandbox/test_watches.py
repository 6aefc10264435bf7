"""A seat may make a few epoll objects and watches, which its holder counts; libraries of Rust wake threads with one."""

import errno

from runtime.engines.base import DatasetSource
from runtime.sandbox.walls.watches import MOST_CALLS, MOST_QUESTIONS
from tests.unit.sandbox.conftest import Rig, answer


def test_an_epoll_object_wakes_a_thread(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, select, threading
def task(g):
    loop, waker = select.epoll(), os.eventfd(0, os.EFD_NONBLOCK)
    loop.register(waker, select.EPOLLIN)
    threading.Timer(0.01, os.eventfd_write, (waker, 1)).start()
    return [fd == waker for fd, _ in loop.poll(10)]
"""
    assert answer(rig.run(source, code)) == [True]


def test_a_seat_has_no_more_watches_than_its_holder_counts(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, select
def task(g):
    loop, done = select.epoll(), 1
    try:
        while True:
            reading, _ = os.pipe()
            loop.register(reading)
            done += 1
    except OSError as error:
        return [done, error.errno]
"""
    for _ in range(2):  # each run has its own count
        assert answer(rig.run(source, code)) == [MOST_CALLS, errno.EPERM]


def test_threads_share_the_count_of_their_run(rig: Rig, source: DatasetSource) -> None:
    code = """
import select, threading
def task(g):
    made, refused = [], []
    def make():
        try:
            for _ in range(20):
                made.append(select.epoll())
        except OSError as error:
            refused.append(error.errno)
    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return [len(made), set(refused)]
"""
    assert answer(rig.run(source, code)) == [MOST_CALLS, [errno.EPERM]]


def test_a_seat_that_asks_without_end_is_killed_and_others_go_on(rig: Rig, source: DatasetSource) -> None:
    code = f"""
import select
def task(g):
    asked = 0
    while asked < {MOST_QUESTIONS + 100}:
        asked += 1
        try:
            select.epoll()
        except OSError:
            continue
    return asked
"""
    outcome = rig.run(source, code)
    assert outcome.cause == "TaskCrashed"
    assert outcome.failure is not None
    assert outcome.failure.fields["signal"] == "SIGKILL"
    assert answer(rig.run(source, "def task(g): return len(g._edges)")) == 3
