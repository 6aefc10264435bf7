"""Threads of a task: their limit, and how a run ends that has some left."""

from runtime.engines.base import DatasetSource
from tests.unit.sandbox.conftest import Rig, answer


def test_threads_past_the_limit_are_refused(rig: Rig, source: DatasetSource) -> None:
    code = """
import _thread, concurrent.futures, threading, time
def task(g):
    started, stop = [], threading.Event()
    try:
        for _ in range(20):
            started.append(threading.Thread(target=stop.wait))
            started[-1].start()
    except RuntimeError as error:
        refused = str(error)
    try:
        _thread.start_new_thread(print, ())
    except RuntimeError as error:
        refused += ' ' + str(error)
    alive = threading.active_count()
    stop.set()
    for thread in started[:-1]: thread.join()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [alive, refused, list(pool.map(abs, [-1, -2]))]
"""
    assert answer(rig.run(source, code, threads=8)) == [
        8,
        "can't start new thread can't start new thread",
        [1, 2],
    ]


def test_threads_that_python_knows_nothing_of_are_bounded(rig: Rig, source: DatasetSource) -> None:
    code = """
import ctypes, time
def task(g):
    libc = ctypes.CDLL(None)
    for _ in range(20): libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, libc.pause, None)
    time.sleep(1000)
"""
    outcome = rig.run(source, code, threads=8)
    assert outcome.failure is not None
    assert outcome.failure.fields["limit_name"] == "threads"


def test_a_run_whose_first_thread_ends_is_ended(rig: Rig, source: DatasetSource) -> None:
    """Nobody could tell any more what its other threads use."""
    code = """
import ctypes, os, threading, time
def task(g):
    threading.Thread(target=time.sleep, args=(1000,)).start()
    ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[os.uname().machine], 0)
"""
    outcome = rig.run(source, code)
    assert outcome.cause == "TaskCrashed"
    assert outcome.failure is not None
    assert "main thread" in outcome.failure.message


def test_threads_that_outlive_the_answer_do_not_spoil_it(rig: Rig, source: DatasetSource) -> None:
    code = """
import threading, time
def task(g):
    for _ in range(30): threading.Thread(target=bytearray, args=(2**21,)).start()
    for _ in range(20): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    time.sleep(0.02)
    return 1
"""
    assert [answer(rig.run(source, code)) for _ in range(10)] == [1] * 10
