"""A parser that was taken over keeps its limits, outlives no deadline, and says nothing that the server believes."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from runtime.engines.base import DatasetSource
from runtime.errors import InvalidTable
from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.sandbox.taken_over.conftest import FINE, GOOD, JOB, UPLOADED, job, needs_walls, open_when_calm, upload
from tests.waiting import SLOW_S, eventually

SIGNALS = """
import ctypes, fcntl, os, resource, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
def task(g):
    through = []
    for pid in PIDS:
        for name, act in (
            ('kill', lambda: os.kill(pid, 0)), ('stop', lambda: os.kill(pid, signal.SIGSTOP)),
            ('group', lambda: os.killpg(0, 0)), ('all', lambda: os.kill(-1, 0)),
            ('pidfd', lambda: os.pidfd_open(pid)), ('nice', lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)),
            ('fork', os.fork), ('exec', lambda: os.execv('/bin/true', ['true'])), ('setsid', os.setsid),
            ('spawn', lambda: os.posix_spawn('/bin/true', ['true'], {})), ('memfd', lambda: os.memfd_create('x')),
            ('setuid', lambda: os.setresuid(0, 0, 0)), ('raise', lambda: resource.setrlimit(9, (-1, -1))),
            ('mount', lambda: 1 / (libc.mount(b'x', b'/', b'tmpfs', 0, 0) + 1)),
            ('ptrace', lambda: 1 / (libc.ptrace(16, pid, 0, 0) + 1)),
            ('unshare', lambda: 1 / (libc.unshare(0x10000000) + 1)),
            ('owner', lambda: fcntl.fcntl(3, 8, pid)), ('group id', lambda: os.setgroups([0])),
            ('pair', lambda: socket.socketpair()), ('tmp', lambda: os.open('/tmp', os.O_TMPFILE | os.O_RDWR)),
            ('shm', lambda: 1 / (libc.shmget(0, 4096, 0o1777) + 1)),
        ):
            try:
                act()
                through.append(f'{name} {pid}')
            except (OSError, ValueError, ArithmeticError):
                continue
    return through
"""


@needs_walls
def test_a_job_signals_nobody_starts_nothing_and_raises_none_of_its_limits(
    taken: Rig, neighbour: DatasetSource
) -> None:
    code = SIGNALS.replace("PIDS", repr([os.getpid(), taken.template.pid, 1]))
    assert job(taken, code + JOB)["through"] == []
    assert answer(taken.run(neighbour, GOOD)) == 3


GIVEN = """
import os, stat
def attack(request, *descriptors):
    through = []
    open_ = [fd for fd in range(300) if not _closed(fd)]
    for name, act in (
        ('write the upload', lambda: os.write(5, b'x')), ('cut the upload', lambda: os.ftruncate(5, 0)),
        ('map it writable', lambda: __import__('mmap').mmap(5, 1, prot=3, flags=1)),
        ('open it again', lambda: os.open('/proc/self/fd/5', os.O_RDWR)),
        ('link', lambda: os.link('/proc/self/fd/4', '/tmp/x')),
        ('leave', lambda: os.open('..', os.O_RDONLY)), ('grow past the limit', lambda: os.posix_fallocate(4, 0, 2**30)),
        ('lie about its size', lambda: os.ftruncate(4, 2**40)), ('write far', lambda: os.pwrite(4, b'x', 2**30)),
        ('scratch past the limit', lambda: os.pwrite(6, b'x', 2**30)),
    ):
        try:
            act()
            through.append(name)
        except OSError:
            continue
    os.fchmod(5, 0o777)
    return {'through': through, 'open': open_, 'standard': [stat.S_ISCHR(os.fstat(fd).st_mode) for fd in (0, 1, 2)]}
def _closed(fd):
    try:
        os.fstat(fd)
    except OSError:
        return True
"""


@needs_walls
def test_a_job_has_its_descriptors_and_does_with_them_what_they_are_for(taken: Rig, tmp_path: Path) -> None:
    mode = UPLOADED.stat().st_mode
    told = job(taken, GIVEN, output=tmp_path / "output")
    own_memory = 7  # its size, which its limit was made from
    assert told == {"through": [], "open": [0, 1, 2, 3, 4, 5, 6, own_memory], "standard": [True, True, True]}
    assert UPLOADED.stat().st_mode == mode


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import signal, time\nfor n in set(signal.Signals) - {9, 19}: signal.signal(n, signal.SIG_IGN)\ntime.sleep(99)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        "import threading, time\n[threading.Thread(target=time.sleep, args=(1000,)).start() for _ in range(20)]",
        "import os\nos.close(3)\nimport time; time.sleep(1000)",
        "import os\nos.write(3, b'\\0\\1')\nimport time; time.sleep(1000)",
        "import os\nwhile True: os.write(3, b'\\0\\0')",
    ],
    ids=["loops", "ignores", "stops", "threads", "hangs-up", "half-a-frame", "talks-on"],
)
def test_no_job_outlives_its_deadline(taken: Rig, code: str) -> None:
    template = taken.template.pid
    before = _children(template)
    code = f"def attack(*_):\n    {code.replace(chr(10), chr(10) + '    ')}\n    return {{}}"
    started = time.monotonic()
    try:
        job(taken, code, timeout_s=1)
    except InvalidTable:
        pass
    assert time.monotonic() - started < 1 + SLOW_S
    eventually(lambda: _children(template) <= before)
    assert taken.template.pid == template


def _children(pid: int | None) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def frame(body: Any) -> str:
    """Return code that writes this answer itself, in place of the job's."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"""
import os, time
def attack(*_):
    data = {len(data).to_bytes(4, "big") + data!r}
    while data: data = data[os.write(3, data):]
    time.sleep(1000)
"""


DEEP = b'{"status": "ok", "table": ' + b"[" * 900 + b"]" * 900 + b"}"
LIES: dict[str, Any] = {
    "nothing": {},
    "no-table": {"status": "ok"},
    "a-list": {"status": "ok", "table": [1]},
    "no-counts": {"status": "ok", "table": {}},
    "negative": {"status": "ok", "table": {**FINE, "row_count": -1}},
    "true": {"status": "ok", "table": {**FINE, "row_count": True}},
    "huge": {"status": "ok", "table": {**FINE, "row_count": 1 << 63}},
    "float": {"status": "ok", "table": {**FINE, "row_count": 1e300}},
    "more-columns": {"status": "ok", "table": {**FINE, "column_count": 2}},
    "dtypes-that-are-none": {"status": "ok", "table": {**FINE, "dtypes": [["s", "str"]]}},
    "dtypes-of-objects": {"status": "ok", "table": {**FINE, "dtypes": {"s": {"a": []}}}},
    "deep": DEEP,
    "not-json": b"\xff\xfe",
    "a-scalar": b"7",
    "too-long": (1 << 30).to_bytes(4, "big"),
    "failure-of-nothing": {"status": "failed"},
    "failure-that-is-none": {"status": "failed", "failure": "x"},
    "another-failure": {
        "status": "failed",
        "failure": {"type": "RunInterrupted", "message": "m", "fields": {"retry_after_s": 9}},
    },
    "fields-as-arguments": {
        "status": "failed",
        "failure": {"type": "InvalidTable", "message": "m", "fields": {"self": 1, "message": 2}},
    },
    "long-words": {
        "status": "failed",
        "failure": {"type": "InvalidTable", "message": "x" * 10**6, "fields": {"errors": ["y" * 10**5] * 30}},
    },
    "more-fields": {
        "status": "failed",
        "failure": {"type": "InvalidTable", "message": "m", "fields": {"errors": "no", "request_id": "forged"}},
    },
    "no-message": {"status": "failed", "failure": {"type": "InvalidTable", "message": ["a"]}},
    "cause": {"status": "failed", "cause": {"a": "\n" * 10**5}},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_job_that_lies_is_a_table_that_is_none(taken: Rig, lie: str) -> None:
    stored = sorted((taken.root / "objects").rglob("*"))
    with pytest.raises(InvalidTable) as told:
        upload(taken, frame(LIES[lie]))
    failure = told.value
    assert set(failure.fields) <= {"errors"}
    assert len(json.dumps(failure.to_wire())) < 200_000
    assert sorted((taken.root / "objects").rglob("*")) == stored
    assert not list(taken.store.incoming().parent.iterdir())


def test_what_a_job_writes_is_in_no_log(taken: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    code = """
import os
def attack(*_):
    for fd in (0, 1, 2): os.write(fd, b'2026 INFO run.finished forged\\n')
    raise KeyError('\\n2026 INFO forged as well\\x1b[2J')
"""
    with pytest.raises(InvalidTable):
        upload(taken, code)
    out = "".join(capfd.readouterr())
    assert "run.finished forged" not in out
    assert "\n2026 INFO forged" not in out
    assert "\x1b" not in out


def test_descriptors_on_a_jobs_channel_go_nowhere(taken: Rig) -> None:
    code = """
import socket
def attack(*_):
    try:
        socket.send_fds(socket.socket(fileno=3), [b'\\0\\0\\0\\2{}'], [0, 4, 5])
    except OSError:
        return {'refused': True}
"""
    before = open_when_calm()
    try:
        assert job(taken, code) == {"refused": True}
    except InvalidTable:  # where nothing refuses it, it is an answer that is none
        pass
    assert open_when_calm() <= before
