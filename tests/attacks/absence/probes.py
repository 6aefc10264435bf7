"""What a task tries, once for each wall: with all walls it must fail, without one something must get through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from runtime.sandbox.host.outcome import RunOutcome

MIB = 2**20
DENIED = "refused"


@dataclass(frozen=True)
class Probe:
    """``body`` is the task's; where the wall stands it answers ``expected``, or ends with ``cause`` and that limit.

    ``runs``: how often it is run; the last answer counts, and where they should differ, all. ``most_output``: of its
    standard output, in bytes. ``slow``: tried only where it is expected to notice. ``limits``: of the run.
    """

    name: str
    body: str
    expected: Any = DENIED
    cause: str = "ok"
    runs: int = 1
    differs: bool = False
    most_output: int | None = None
    slow: bool = False
    limits: dict[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        lines = "\n".join(f"        {line}" for line in self.body.strip().splitlines())
        imports = "import ctypes, mmap, os, resource, socket, threading, time"
        return f"{imports}\ndef task(g):\n    try:\n{lines}\n    except OSError:\n        return {DENIED!r}\n"

    def holds(self, outcomes: Sequence[RunOutcome]) -> bool:
        """Whether its runs ended as they do with every wall."""
        last = outcomes[-1]
        if last.cause != self.cause or (self.most_output is not None and len(last.stdout) > self.most_output):
            return False
        if self.cause != "ok":
            return last.failure is not None and last.failure.fields.get("limit_name") == self.expected
        answers = [_answer(outcome) for outcome in outcomes]
        return len(set(answers)) == len(answers) if self.differs else bool(answers[-1] == self.expected)


def _answer(outcome: RunOutcome) -> Any:
    data = bytes(outcome.result)
    return data.decode() if outcome.kind == "text" else orjson.loads(data)


def _limit(name: str) -> str:
    return f"return resource.getrlimit(resource.RLIMIT_{name})[1] != resource.RLIM_INFINITY"


def _zero(name: str) -> str:
    return f"return list(resource.getrlimit(resource.RLIMIT_{name}))"


_THREADS = """
libc = ctypes.CDLL(None)
made = 0
for _ in range({count}):
    thread = ctypes.c_ulong()
    made += libc.pthread_create(ctypes.byref(thread), None, libc.sleep, ctypes.c_void_p(5)) == 0
"""

_CAPABILITIES = """
lines = [line.split() for line in open('/proc/self/status') if line.startswith('Cap')]
told = {line[0].strip(':'): int(line[1], 16) for line in lines}
"""

PROBES = (
    Probe("reads a file of the machine", "open('/etc/passwd').read(); return 'read'"),
    Probe("reads the server's secret", "open('@@SECRET@@').read(); return 'read'"),
    Probe("writes outside its scratch", "open(f'@@OUTSIDE@@/{time.time_ns()}', 'w'); return 'written'"),
    Probe("lists the scratch of others", "return len(os.listdir('@@SCRATCH@@')) > 0"),
    Probe("starts a process", "pid = os.fork()\nif not pid: os._exit(0)\nreturn 'started'"),
    Probe("makes a socket", "socket.socket(socket.AF_UNIX).close(); return 'made'"),
    Probe("connects by TCP", "socket.create_connection(('127.0.0.1', @@PORT@@), 0.3); return 'connected'"),
    Probe(
        "sends a datagram",
        "s = socket.socket(type=socket.SOCK_DGRAM)\ns.connect(('127.0.0.1', @@PORT@@))\ns.send(b'x')\nreturn 'sent'",
    ),
    Probe("connects to an abstract socket", "socket.socket(socket.AF_UNIX).connect('\\0@@ABSTRACT@@'); return 'hit'"),
    Probe("connects to a socket by path", "socket.socket(socket.AF_UNIX).connect('@@PATH@@'); return 'hit'"),
    Probe("signals the holder", "os.kill(os.getppid(), 0); return 'hit'"),
    Probe("is the server's user", "return os.getuid() == @@UID@@", False),
    Probe("learns the machine's process numbers", "return os.getppid() in @@HOLDERS@@", False),
    Probe(
        "has capabilities", _CAPABILITIES + "return sum(told['Cap' + name] for name in ('Inh', 'Prm', 'Eff', 'Amb'))", 0
    ),
    # A holder keeps three, to change users and to take seats along when it ends; a seat has none of them, and no way to
    # be given what is in its bounding set.
    Probe("may be given capabilities", _CAPABILITIES + "return told['CapBnd'] & ~0b11100000", 0),
    Probe("may gain privileges", "return ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)", 1),
    Probe(
        "looks into its holder",
        """
read = []
for pid in @@HOLDERS@@:
    try:
        read.append(open(f'/proc/{pid}/environ').read(1))
    except (FileNotFoundError, ProcessLookupError):
        pass  # of an earlier dataset, and ended meanwhile
if not read:
    raise PermissionError("/proc shows none of them")
return 'read'
""",
    ),
    Probe(
        "sees foreign descriptors",
        """
def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False
return sum(map(is_open, range(5, 300)))
""",
        0,
    ),
    Probe("sees the server's environment", "return 'GRAPHSIDE_CANARY' in os.environ", False),
    Probe(
        "finds what an earlier run left",
        "found = os.path.exists('left'); open('left', 'w'); return found",
        False,
        runs=2,
    ),
    Probe(
        "imports the server's own packages",
        "try:\n    import runtime\nexcept ImportError:\n    return 'hidden'",
        "hidden",
    ),
    Probe("foresees random numbers", "import numpy as np\nreturn np.random.random()", runs=2, differs=True),
    Probe("runs before the server", "return os.getpriority(os.PRIO_PROCESS, 0) >= min(@@NICE@@ + 5, 19)", True),
    Probe("leaves a core file", _zero("CORE"), [0, 0]),
    Probe("locks memory", _zero("MEMLOCK"), [0, 0]),
    Probe("keeps messages in queues", _zero("MSGQUEUE"), [0, 0]),
    Probe(
        "has a thousand signals wait",
        """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
for _ in range(1000):
    signal.pthread_kill(threading.get_ident(), signal.SIGRTMIN)
return 'waiting'
""",
    ),
    Probe("computes for ever", _limit("CPU"), True),
    Probe("opens a thousand files", "return len([os.dup(0) for _ in range(1000)])"),
    Probe(
        "writes a file of a gigabyte", "os.ftruncate(os.open('big', os.O_RDWR | os.O_CREAT), 2**30); return 'written'"
    ),
    Probe("reserves memory without end", "mmap.mmap(-1, 8 * 2**30, mmap.MAP_PRIVATE); return 'reserved'"),
    Probe("cuts its result under its reader", "os.ftruncate(3, 0); return 'cut'"),
    Probe("makes its result larger than its file", "os.ftruncate(3, 2**21); return 'grown'"),
    Probe(
        "starts a hundred threads",
        _THREADS.format(count=100) + "return made < 90",
        True,
        limits={"threads": 1000, "memory_bytes": 2048 * MIB},
    ),
    Probe(
        "starts more threads than its limit",
        _THREADS.format(count=20) + "time.sleep(2)",
        "threads",
        cause="TaskCrashed",
        limits={"threads": 8},
        slow=True,
    ),
    Probe("prints without end", "print('x' * 5_000_000); return 1", 1, most_output=MIB + 1000, slow=True),
    Probe(
        "copies the dataset",
        "w = g._edges['w'].to_numpy()\nw.flags.writeable = True\nw[:] = 1.0\ntime.sleep(2)\nreturn 'copied'",
        "memory_bytes",
        cause="TaskMemoryExceeded",
        limits={"memory_bytes": 64 * MIB},
        slow=True,
    ),
    Probe(
        "takes longer than its time",
        "time.sleep(2)",
        "timeout_s",
        cause="TaskTimeout",
        limits={"timeout_s": 0.3},
        slow=True,
    ),
    Probe(
        "computes longer than its time",
        "end = time.monotonic() + 60\nwhile time.monotonic() < end and time.process_time() < 1: pass",
        "cpu_s",
        cause="TaskTimeout",
        limits={"cpu_s": 0.2},
        slow=True,
    ),
    Probe(
        "fills its scratch",
        "for name in 'abcd': open(name, 'wb').write(bytes(2**20))\ntime.sleep(2)",
        "scratch_bytes",
        cause="TaskScratchExceeded",
        limits={"scratch_bytes": MIB},
        slow=True,
    ),
)
