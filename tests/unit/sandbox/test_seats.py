"""What a task may do, and how its end is named."""

import os
from typing import Any

import orjson
import psutil
import pytest

from runtime.engines.base import DatasetSource
from runtime.sandbox.host import watchdog
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import eventually


def test_a_task_gets_the_graph(rig: Rig, source: DatasetSource) -> None:
    code = "def task(g): return [type(g).__name__, g._source, g._destination, len(g._edges), g._nodes is None]"
    assert answer(rig.run(source, code)) == ["Plotter", "s", "d", 3, True]


def test_what_a_task_changes_is_gone_with_it(rig: Rig, source: DatasetSource) -> None:
    code = """
import pandas as pd
def task(g):
    before = g._edges['w'].tolist()
    g._edges.loc[:, 'w'] = 0.0
    g._edges['new'] = 1
    pd.DataFrame.head = None
    return before
"""
    assert answer(rig.run(source, code)) == [1.0, 2.0, 3.0]
    assert answer(rig.run(source, code)) == [1.0, 2.0, 3.0]
    assert answer(rig.run(source, "def task(g): return g._edges.head(1)"))[0]["w"] == 1.0


def test_scratch_that_was_filled_between_two_looks_is_told_at_the_end(
    rig: Rig, source: DatasetSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "SLOW_INTERVAL_S", 60)
    outcome = rig.run(source, "def task(g):\n    return open('a', 'wb').write(bytes(2**22))", scratch_bytes=2**20)
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= {"limit_name": "scratch_bytes", "observed": 2**22}.items()
    code = "def task(g):\n    return open('a', 'wb').write(bytes(2**19))"
    assert answer(rig.run(source, code, scratch_bytes=2**20)) == 2**19


def test_files_in_scratch_are_read_and_written_by_parts(rig: Rig, source: DatasetSource) -> None:
    code = """
import os
def task(g):
    fd, parts = os.open('f', os.O_CREAT | os.O_RDWR), [bytearray(2), bytearray(3)]
    return [os.pwritev(fd, [b'ab', b'cde'], 4), os.preadv(fd, parts, 4), [bytes(part).decode() for part in parts]]
"""
    assert answer(rig.run(source, code)) == [5, 5, ["ab", "cde"]]


@pytest.mark.parametrize(
    "make",
    [
        "fd = os.open('f', os.O_CREAT | os.O_RDWR); os.unlink('f')",
        "fd = os.open('.', os.O_TMPFILE | os.O_RDWR)",
        "fd = os.open('f', os.O_CREAT | os.O_RDWR); os.ftruncate(fd, 2**24); m = mmap.mmap(fd, 2**24); os.unlink('f')",
        "os.mkdir('d'); fd = os.open('d/f', os.O_CREAT | os.O_RDWR); os.unlink('d/f'); os.rmdir('d')",
    ],
    ids=["deleted", "unnamed", "mapped", "in-a-deleted-directory"],
)
def test_deleted_files_count_for_as_long_as_they_are_held(rig: Rig, source: DatasetSource, make: str) -> None:
    code = f"""
import mmap, os, time
def task(g):
    kept = []
    for _ in range(4):
        m = None
        {make}
        for _ in range(16): os.write(fd, bytes(2**20))
        kept.append(m or fd)
        if m: os.close(fd)
    time.sleep(9)
"""
    outcome = rig.run(source, code, scratch_bytes=50 * 2**20, timeout_s=8)
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= {"limit_name": "scratch_bytes", "limit": 50 * 2**20}.items()


def test_deleted_files_that_are_let_go_do_not_count(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, tempfile, time
def task(g):
    for _ in range(8):
        with tempfile.TemporaryFile() as file:
            file.write(bytes(2**23))
            time.sleep(0.05)
    return 1
"""
    assert answer(rig.run(source, code, scratch_bytes=2**24)) == 1


def test_output_is_kept_up_to_its_cap(rig: Rig, source: DatasetSource) -> None:
    code = (
        "import sys\ndef task(g):\n    print('first'); print('x' * 5_000_000); print('last'); sys.stderr.write('err')"
    )
    outcome = rig.run(source, code)
    assert outcome.cause == "ok"
    assert outcome.stdout_truncated
    assert not outcome.stderr_truncated
    assert outcome.stdout.startswith("first\n")
    assert outcome.stdout.endswith("last\n")
    assert len(outcome.stdout) < 2**20 + 100
    assert outcome.stderr == "err"


def test_a_killed_run_still_shows_what_it_printed(rig: Rig, source: DatasetSource) -> None:
    outcome = rig.run(source, "def task(g):\n    print('so far')\n    while True: pass", timeout_s=0.3)
    assert outcome.stdout == "so far\n"


def test_a_large_result_is_mapped_not_copied(rig: Rig, source: DatasetSource) -> None:
    outcome = rig.run(source, "def task(g): return 'x' * 5_000_000")
    assert outcome.length == 5_000_000
    assert not isinstance(outcome.result, bytes)
    assert outcome.result[:3] == b"xxx"


def test_a_run_has_its_own_empty_scratch_directory_and_leaves_none(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, tempfile
def task(g):
    open('left', 'w').write('x')
    return [os.getcwd(), tempfile.gettempdir()]
"""
    first, second = answer(rig.run(source, code)), answer(rig.run(source, code))
    assert first[0] == first[1] != second[0]
    eventually(lambda: not os.path.exists(first[0]))


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef task(g): os.fork()",
        "import subprocess\ndef task(g): subprocess.run(['true'])",
        "import os\ndef task(g): os.posix_spawn('/bin/true', ['true'], {})",
        "import os\ndef task(g): os.execv('/bin/true', ['true'])",
        "import multiprocessing\ndef task(g): multiprocessing.get_context('fork').Process(target=print).start()",
    ],
    ids=["fork", "subprocess", "spawn", "exec", "multiprocessing"],
)
def test_a_task_starts_no_process(rig: Rig, source: DatasetSource, code: str) -> None:
    outcome = rig.run(source, code)
    assert outcome.failure is not None
    assert outcome.failure.fields["exception_type"] == "PermissionError"


def test_nothing_of_the_server_is_in_reach(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, sys, threading
def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False
def importable(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False
def task(g):
    return {
        'fds': [fd for fd in range(2048) if is_open(fd)],
        'env': sorted(os.environ),
        'modules': [n for n in ('auth', 'catalog', 'deployments', 'runtime', 'ray', 'cudf') if importable(n)],
        'main': sorted(vars(sys.modules['__main__'])),
        'threads': threading.active_count(),
    }
"""
    seen = answer(rig.run(source, code))
    assert set(seen["fds"]) <= {0, 1, 2, 3, 4}
    assert not [name for name in seen["env"] if name.startswith(("GRAPHSIDE", "RAY", "GRAPHISTRY"))]
    assert seen["modules"] == []
    assert "Forker" not in seen["main"]
    assert seen["threads"] == 1


def test_no_new_privileges(rig: Rig, source: DatasetSource) -> None:
    code = "import ctypes\ndef task(g): return ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)"  # PR_GET_NO_NEW_PRIVS
    assert rig.run(source, code).result == b"1"


def test_random_numbers_differ_from_run_to_run(rig: Rig, source: DatasetSource) -> None:
    code = "import random, numpy as np\ndef task(g): return [random.random(), np.random.random()]"
    first, second = answer(rig.run(source, code)), answer(rig.run(source, code))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_cancelling_a_run_kills_it(rig: Rig, source: DatasetSource) -> None:
    run = rig.begin(source, "def task(g):\n    open('begun', 'w').close()\n    while True: pass")
    eventually(lambda: any(rig.scratch.glob("*/begun")))
    run.cancel()
    eventually(lambda: rig.executor.running == 0)
    template = psutil.Process(rig.template.pid)

    def spinning() -> bool:
        try:
            return any(one.status() == psutil.STATUS_RUNNING for one in template.children(recursive=True))
        except psutil.NoSuchProcess:
            return True  # one that has just ended; look again

    eventually(lambda: not spinning())


def test_an_exception_that_lies_about_its_class_is_still_a_task_error(rig: Rig, source: DatasetSource) -> None:
    code = """
class Liar(Exception):
    @property
    def __class__(self):
        raise RuntimeError('no')
def task(g): raise Liar('x')
"""
    assert rig.run(source, code).cause == "TaskError"


FORGED = {
    "a failure that is none": {"status": "failed", "failure": [1], "run_s": 0},
    "a message that is no text": {"status": "failed", "failure": {"type": "TaskError", "message": [[]], "fields": {}}},
    "a time that is none": {"status": "ok", "kind": "json", "length": 0, "run_s": "nan", "encode_s": 0},
    "a length that is none": {"status": "ok", "kind": "json", "length": -1, "run_s": 0, "encode_s": 0},
    "a kind that is none": {"status": "ok", "kind": "pickle", "length": 0, "run_s": 0, "encode_s": 0},
}


@pytest.mark.parametrize("answer_by_hand", FORGED.values(), ids=FORGED)
def test_an_answer_made_by_hand_is_a_crash(rig: Rig, source: DatasetSource, answer_by_hand: dict[str, Any]) -> None:
    body = orjson.dumps({"run_s": 0, **answer_by_hand})
    code = f"import os, time\ndef task(g):\n    os.write(4, {len(body).to_bytes(4, 'big') + body!r})\n    time.sleep(9)"
    assert rig.run(source, code).cause == "TaskCrashed"


def test_fields_too_deep_to_be_passed_on_are_a_crash(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, time
def task(g):
    deep = b'[' * 200 + b']' * 200
    body = b'{"status":"failed","run_s":0,"failure":{"type":"TaskError","message":"x","fields":{"a":%s}}}' % deep
    os.write(4, len(body).to_bytes(4, 'big') + body)
    time.sleep(9)
"""
    assert rig.run(source, code).cause == "TaskCrashed"


def test_page_tables_are_memory(rig: Rig, source: DatasetSource) -> None:
    code = """
import mmap
def task(g):
    task.kept = [mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ) for _ in range(40)]
    return sum(kept[offset] for kept in task.kept for offset in range(0, 1 << 30, 1 << 21))
"""
    _, cost = rig.wait(rig.start(source, code, memory_bytes=60 * 2**30))
    assert cost["peak_memory_bytes"] > 40 * 2**20


def test_a_deleted_file_of_which_a_page_is_mapped_counts_whole(rig: Rig, source: DatasetSource) -> None:
    code = """
import mmap, os, time
def task(g):
    task.kept = []
    for number in range(20):
        fd = os.open(str(number), os.O_CREAT | os.O_RDWR)
        os.write(fd, bytes(1 << 20))
        task.kept.append(mmap.mmap(fd, 4096))
        os.unlink(str(number))
        os.close(fd)
        time.sleep(0.05)
    time.sleep(5)
"""
    outcome = rig.run(source, code, scratch_bytes=8 * 2**20, timeout_s=8)
    assert outcome.cause == "TaskScratchExceeded"


def test_deleted_files_without_a_byte_count_as_files_while_they_are_mapped(rig: Rig, source: DatasetSource) -> None:
    code = """
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
def task(g):
    for number in range(200):
        fd = os.open(str(number), os.O_CREAT | os.O_RDWR)
        libc.mmap(None, ctypes.c_size_t(4096), 1, 1, fd, ctypes.c_long(0))
        os.unlink(str(number))
        os.close(fd)
    time.sleep(5)
"""
    outcome = rig.run(source, code, scratch_files=100, timeout_s=8)
    assert outcome.cause == "TaskScratchExceeded"
    assert outcome.failure is not None
    assert outcome.failure.fields["limit_name"] == "scratch_files"


def test_a_forged_answer_of_megabytes_is_not_read(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, struct
def task(g):
    os.write(4, struct.pack("!I", 3 << 20) + b"[" * (3 << 20))
"""
    assert rig.run(source, code).cause == "TaskCrashed"


def test_cpu_time_is_bounded_whatever_the_clock_says(rig: Rig, source: DatasetSource) -> None:
    outcome = rig.run(source, "def task(g):\n    while True: pass", timeout_s=20, cpu_s=0.3)
    assert outcome.failure is not None
    assert (outcome.cause, outcome.failure.fields["limit_name"]) == ("TaskTimeout", "cpu_s")
    assert 0.3 < outcome.failure.fields["observed"] < 1


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
    time.sleep(9)
"""
    outcome = rig.run(source, code, threads=8)
    assert outcome.failure is not None
    assert outcome.failure.fields["limit_name"] == "threads"


def test_a_run_whose_first_thread_ends_is_ended(rig: Rig, source: DatasetSource) -> None:
    """Nobody could tell any more what its other threads use."""
    code = """
import ctypes, os, threading, time
def task(g):
    threading.Thread(target=time.sleep, args=(9,)).start()
    ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[os.uname().machine], 0)
"""
    outcome = rig.run(source, code, timeout_s=8)
    assert outcome.cause == "TaskCrashed"
    assert outcome.failure is not None
    assert "main thread" in outcome.failure.message


def test_threads_that_outlive_the_answer_do_not_spoil_it(rig: Rig, source: DatasetSource) -> None:
    code = """
import threading, time
def task(g):
    for _ in range(30): threading.Thread(target=bytearray, args=(2**21,)).start()
    for _ in range(20): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
    time.sleep(0.02)
    return 1
"""
    assert [answer(rig.run(source, code)) for _ in range(10)] == [1] * 10
