"""A parser that was taken over by the bytes that it reads, and a holder likewise, reach nothing and say nothing that
the server believes.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from runtime.engines.base import DatasetSource
from runtime.errors import DatasetUnreadable, InvalidTable, RuntimeFailure
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.host.parse_job import JobLimits, run_job
from runtime.sandbox.host.template import TemplateProcess
from tests.attacks import reaches, takeover
from tests.attacks.listeners import Listener
from tests.unit.sandbox.conftest import EDGES, PAYLOAD, Rig, answer
from tests.unit.standing_walls import walls
from tests.waiting import eventually

JOB = "\ndef attack(request, *descriptors):\n    return {'through': task(None)}\n"
HOLDER = (
    "\ndef attack(edges, nodes, payload):\n    raise ValueError('through: ' + __import__('json').dumps(task(None)))\n"
)
GOOD = "def task(g): return len(g._edges)"
needs_walls = pytest.mark.skipif(
    not (walls().landlock and walls().seccomp), reason="this kernel has no Landlock or no seccomp filters"
)


class TakenOver(TemplateProcess):
    """The server's side of ``tests.attacks.takeover``."""

    async def _exec(self, control: Any) -> Any:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-s", takeover.__file__, *self._arguments(control),
            pass_fds=(control.fileno(),), env=template_environment(), cwd="/", stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture(scope="module")
def taken(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig(template_type=TakenOver)


@pytest.fixture
def neighbour(taken: Rig) -> DatasetSource:
    """A dataset beside the attack, in use before and after."""
    source = taken.dataset()
    assert answer(taken.run(source, GOOD)) == 3
    return source


def upload(rig: Rig, code: str, content: bytes = b"bytes") -> dict[str, Any]:
    """What the server makes of an upload whose parser runs ``code``."""
    incoming = rig.store.incoming()
    incoming.write_bytes(content)
    try:
        return rig.wait(rig.uploads.parse(incoming.name, "csv", "", {"code": code}))
    finally:
        incoming.unlink()


def job(rig: Rig, code: str, *, timeout_s: float = 20, output: Path | None = None) -> Any:
    """What a job that runs ``code`` answers."""
    given = [os.open(output or os.devnull, os.O_RDWR | os.O_CREAT), os.open(__file__, os.O_RDONLY)]
    given.append(os.memfd_create("scratch"))
    try:
        limits = JobLimits(timeout_s, file_bytes=2**20, memory_bytes=2**29)
        request = {"job": "parse", "options": {"code": code}}
        return rig.wait(run_job(rig.template, request, tuple(given), limits))
    finally:
        for fd in given:
            os.close(fd)


def hostile_dataset(rig: Rig, code: str) -> DatasetSource:
    """A dataset whose holder runs ``code``."""
    source = rig.dataset()
    return DatasetSource(uuid4().hex, source.tables, source.byte_count, {**PAYLOAD, "code": code})


def refusal(rig: Rig, code: str) -> str:
    """Why a dataset with that holder cannot be used."""
    with pytest.raises(DatasetUnreadable) as told:
        rig.run(hostile_dataset(rig, code), GOOD)
    return told.value.message


def both(rig: Rig, code: str) -> list[Any]:
    """The ways that go through from a job, and from a holder."""
    by_holder = refusal(rig, code + HOLDER).partition("through: ")[2]
    return [job(rig, code + JOB)["through"], json.loads(by_holder)]


@needs_walls
def test_neither_reaches_the_network(taken: Rig) -> None:
    listeners = Listener.all_kinds()
    try:
        addresses: list[Any] = [listener.address for listener in listeners]
        assert both(taken, reaches.connecting(addresses)) == [[], []]
        assert not any(listener.visitors for listener in listeners)
    finally:
        for listener in listeners:
            listener.close()


@needs_walls
def test_neither_reads_or_changes_a_file(taken: Rig, neighbour: DatasetSource, tmp_path: Path) -> None:
    """Other uploads, stored tables, keys, the catalog: all of the server's are files."""
    other = taken.store.incoming()
    other.write_bytes(b"another upload")
    secret = tmp_path / "jwt.key"
    secret.write_text("secret")
    stored = taken.root / "objects"
    (table,) = stored.rglob(f"{neighbour.tables['edges']}*")
    scratch = [str(taken.scratch / name) for name in sorted(taken.scratch_dirs())]
    paths = [other, other.parent, secret, tmp_path, table, stored, taken.root]
    try:
        for path in paths:
            path.read_bytes() if path.is_file() else os.listdir(path)
        assert job(taken, reaches.reading(map(str, paths)) + JOB)["through"] == []
        assert job(taken, reaches.reading(scratch) + JOB)["through"] == []
        assert refusal(taken, reaches.reading(map(str, paths)) + HOLDER).endswith("through: []")
        assert table.exists()
        assert secret.read_text() == "secret"
    finally:
        other.unlink()


@needs_walls
def test_neither_looks_at_other_processes_or_has_the_servers_environment(taken: Rig) -> None:
    pids = [os.getpid(), taken.template.pid or 0]
    code = reaches.looking_at_processes(pids, "GRAPHSIDE_CANARY")
    assert job(taken, code + JOB)["through"] == []


@needs_walls
def test_no_secret_is_in_the_memory_of_either(taken: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = f"marker-{uuid4().hex}-{uuid4().hex}"
    other = taken.dataset(pa.table({"s": [marker], "d": ["x"], "w": [1.0]}))
    find = "def task(g): return g._edges['s'].iloc[0]"
    assert bytes(taken.run(other, find).result).decode().strip('"') == marker
    monkeypatch.setenv("GRAPHSIDE_LATE", marker)
    for through in both(taken, reaches.searching_memory([marker.encode()])):
        assert through == []


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
    mode = os.stat(__file__).st_mode
    told = job(taken, GIVEN, output=tmp_path / "output")
    own_memory = 7  # its size, which its limit was made from
    assert told == {"through": [], "open": [0, 1, 2, 3, 4, 5, 6, own_memory], "standard": [True, True, True]}
    assert os.stat(__file__).st_mode == mode


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import signal, time\nfor n in set(signal.Signals) - {9, 19}: signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        "import threading, time\n[threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(20)]",
        "import os\nos.close(3)\nimport time; time.sleep(60)",
        "import os\nos.write(3, b'\\0\\1')\nimport time; time.sleep(60)",
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
    assert time.monotonic() - started < 5
    eventually(lambda: _children(template) <= before)
    assert taken.template.pid == template


def _children(pid: int | None) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def frame(body: Any) -> str:
    """Code that answers so, past the job's own."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"""
import os, time
def attack(*_):
    data = {len(data).to_bytes(4, "big") + data!r}
    while data: data = data[os.write(3, data):]
    time.sleep(60)
"""


FINE = {"row_count": 3, "column_count": 1, "dtypes": {"s": "str"}}
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
    before = _open_when_calm()
    try:
        assert job(taken, code) == {"refused": True}
    except InvalidTable:  # where nothing refuses it, it is an answer that is none
        pass
    assert _open_when_calm() <= before


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _with(old: bytes, new: bytes, table: pa.Table = EDGES) -> bytes:
    content = _ipc(table)
    assert old in content
    return content.replace(old, new)


def _offsets(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little", signed=True) for value in values)


TEXTS = pa.table({"s": pa.array(["a", "bb", "ccc"], pa.large_string()), "d": pa.array(["x"] * 3, pa.large_string())})
LISTS = pa.table({"s": ["a"], "d": ["b"], "l": pa.array([[1, 2, 3]], pa.large_list(pa.int64()))})
CODES = pa.table({"s": ["a"], "d": ["b"], "c": pa.array(["q"]).dictionary_encode()})


def _spread(count: int) -> bytes:
    """Little in a file, much in memory: zeros, compressed."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(bytes(8 * count))])], ["w"])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


FORGED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no-arrow": lambda: b"x" * 1000,
    "cut": lambda: _ipc(EDGES)[:-40],
    "footer-only": lambda: _ipc(EDGES)[-200:],
    "first-offset-outside": lambda: _with(_offsets(0, 1, 3, 6), _offsets(1 << 40, 1, 3, 6), TEXTS),
    "last-offset-outside": lambda: _with(_offsets(0, 1, 3, 6), _offsets(0, 1, 3, 1 << 40), TEXTS),
    "offset-amid-outside": lambda: _with(_offsets(0, 1, 3, 6), _offsets(0, 1 << 40, 3, 6), TEXTS),
    "negative-offset": lambda: _with(_offsets(0, 1, 3, 6), _offsets(0, -5, 3, 6), TEXTS),
    "list-outside": lambda: _with(_offsets(0, 3), _offsets(0, 1 << 30), LISTS),
    "no-utf8": lambda: _with(b"abbccc", b"\xff\xfe\xfd\xfc\xfb\xfa", TEXTS),
    "code-outside": lambda: _ipc(pa.table({"s": ["a"], "d": ["b"], "c": _codes(7)})),
    "negative-code": lambda: _ipc(pa.table({"s": ["a"], "d": ["b"], "c": _codes(-9)})),
    "length-of-a-batch": lambda: _with(_offsets(3), _offsets(1 << 50), EDGES),
    "spread": lambda: _spread(1 << 28),
    "two-batches": lambda: _ipc(pa.concat_tables([EDGES, EDGES])),
    "nulls-without-end": lambda: _ipc(pa.table({"n": pa.Array.from_buffers(pa.null(), 1 << 30, [None])})),
    "hollow-structs": lambda: _ipc(pa.table({"n": pa.StructArray.from_buffers(pa.struct([]), 1 << 30, [None])})),
}  # fmt: skip


def _codes(code: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([code], pa.int32()), pa.array(["q"]), safe=False)


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_table_hurts_nobody_but_its_own_dataset(taken: Rig, neighbour: DatasetSource, forged: str) -> None:
    """A taken-over parser writes what it likes; what comes of it is an error by name, or a run of its own dataset."""
    code = (
        "import os\ndef attack(request, given, out, *_):\n"
        "    while data := os.read(given, 2**20): os.write(out, data)\n"
        f"    return {FINE!r}\n"
    )
    content = FORGED[forged]()
    template = taken.template.pid
    try:
        made = upload(taken, code, content)
        source = DatasetSource(uuid4().hex, {"edges": made["id"]}, made["byte_count"], dict(PAYLOAD))
        for look in ("len(g._edges)", "g._edges.astype(str).sum().to_dict()", "g._edges.memory_usage(deep=True).sum()"):
            outcome = taken.run(
                source, f"def task(g): return int({look})" if "len" in look else f"def task(g): return {look}"
            )
            assert outcome.failure is None or outcome.failure.type.startswith(("Task", "Result"))
    except RuntimeFailure as failure:
        assert failure.type in ("InvalidTable", "DatasetUnreadable", "DatasetTooLarge", "RunInterrupted")
    assert answer(taken.run(neighbour, GOOD)) == 3
    assert taken.template.pid == template


HOLDER_LIES = {
    "nothing": b"{}",
    "an-event-of-no-kind": b'{"event": 7}',
    "a-child": b'{"event": "child", "child": "x"}',
    "no-json": b"\xff",
    "a-list": b"[]",
    "failed": b'{"event": "failed"}',
    "failed-by-a-list": b'{"event": "failed", "failure": []}',
    "failed-as-another": b'{"event": "failed", "failure": {"type": "Overloaded", "message": "", "fields": {"a": 1}}}',
    "as-large-as-can-be": b'{"event": "ready", "anonymous_bytes": 1152921504606846976, "load_s": 1}',
    "less-than-nothing": b'{"event": "ready", "anonymous_bytes": -1152921504606846976, "load_s": 1}',
    "no-time": b'{"event": "ready", "anonymous_bytes": 1, "load_s": "x"}',
    "no-bytes": b'{"event": "ready"}',
}


@pytest.mark.parametrize("lie", HOLDER_LIES)
def test_a_holder_that_lies_is_a_dataset_that_cannot_be_read(taken: Rig, neighbour: DatasetSource, lie: str) -> None:
    code = f"import os\ndef attack(*_):\n    os.write(3, {HOLDER_LIES[lie]!r})\n    import time; time.sleep(60)"
    loads = taken.executor.cache.counts.loads
    with pytest.raises(RuntimeFailure) as told:
        taken.run(hostile_dataset(taken, code), GOOD)
    assert told.value.type in ("DatasetUnreadable", "RunInterrupted")
    assert answer(taken.run(neighbour, GOOD)) == 3
    assert taken.executor.cache.counts.loads <= loads + 3, "the dataset beside it had to make room"


def test_a_holder_that_takes_memory_is_refused_it(taken: Rig, neighbour: DatasetSource) -> None:
    code = "def attack(*_):\n    kept = []\n    while True: kept.append(bytearray(2**20))"
    with pytest.raises(RuntimeFailure) as told:
        taken.run(hostile_dataset(taken, code), GOOD)
    assert told.value.type == "DatasetTooLarge"
    assert answer(taken.run(neighbour, GOOD)) == 3


PROCESSES = """
import os, socket, time
def attack(*_):
    channel = socket.socket(fileno=3)
    given = GIVEN
    for number in (1, 2, 3, 'x', None):
        body = __import__('json').dumps({'event': 'child', 'child': number}).encode()
        try:
            for fd in given: socket.send_fds(channel, [body], [fd])
        except OSError:
            break
    time.sleep(60)
"""
GIVEN_AWAY = {
    "the-template": "[os.pidfd_open(os.getppid())]",
    "all-that-it-sees": "[os.pidfd_open(int(pid)) for pid in os.listdir('/proc') if pid.isdigit() and int(pid) > 1]",
    "itself": "[os.pidfd_open(os.getpid())]",
    "files": "[os.open('/dev/null', os.O_RDONLY) for _ in range(100)]",
}


@pytest.mark.parametrize("given", GIVEN_AWAY)
def test_a_holder_has_nobody_killed_and_fills_no_table_of_descriptors(
    taken: Rig, neighbour: DatasetSource, given: str
) -> None:
    """The server kills by descriptors that a holder hands it: only of processes that the holder forked."""
    if not walls().namespaces and given == "all-that-it-sees":
        pytest.skip("without namespaces these would be all processes of the machine")
    template, loads = taken.template.pid, taken.executor.cache.counts.loads
    before = _open_when_calm()
    with pytest.raises(RuntimeFailure) as told:
        taken.run(hostile_dataset(taken, PROCESSES.replace("GIVEN", GIVEN_AWAY[given])), GOOD)
    assert told.value.type in ("DatasetUnreadable", "RunInterrupted")
    assert taken.template.pid == template
    assert answer(taken.run(neighbour, GOOD)) == 3
    assert taken.executor.cache.counts.loads <= loads + 3, "the dataset beside it was loaded again"
    assert _open_when_calm() <= before


def _open_when_calm() -> int:
    """How many descriptors this process has, once spare seats stand ready."""
    seen: list[int] = []

    def calm() -> bool:
        seen.append(len(os.listdir("/proc/self/fd")))
        return len(seen) > 30 and len(set(seen[-30:])) == 1

    eventually(calm, 10)
    return seen[-1]
