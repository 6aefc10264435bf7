"""The state that the kernel keeps for a process, and what becomes of it when a seat is rewound: a table.

Memory and registers are written back whole. Everything else that a run can leave is a row here. A row without a look is
not compared: the seat's filter forbids the change, or the seat undoes it always, or it stays and says so. What the
kernel shows and no row names ends the seat if it differs, so a newer kernel's state is not missed.
"""

import ctypes
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import Final

from runtime.sandbox.guest.rewind.orders import Orders
from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.rewinding.trace import Tracee
from runtime.sandbox.walls.rewinding.unfit import Unfit
from runtime.sandbox.walls.syscalls import number_of, require_architecture


class Fate(Enum):
    """What becomes of a piece of state."""

    UNDONE = "undone"
    """The next run finds it as the run before did."""

    SEEN = "seen"
    """It is compared from outside. If it differs, the seat ends."""

    IMPOSSIBLE = "impossible"
    """The seat's filter forbids every call that changes it."""

    STAYS = "stays"
    """The next run can find out. docs/security.md says so."""


Undo = Callable[[Orders, bytes, bytes], None]
"""Gives orders to undo a difference, from the value at the baseline and the value now."""


@dataclass(frozen=True, slots=True)
class Row:
    """A piece of state. ``shown``: where the kernel shows it, as ``file:field``, if it is compared.

    ``reason``: which of ``unfit.REASONS`` ends the seat. ``calls``: the system calls that change it, as
    ``name`` or ``name:value`` of the argument that says what to do; if it is impossible, those that would.
    """

    name: str
    fate: Fate
    how: str
    shown: tuple[str, ...] = ()
    undo: Undo | None = None
    reason: str = "state"
    calls: tuple[str, ...] = ()


_STATUS: Final = re.compile(
    rb"^(?!Vm|Rss|Hugetlb|State|TracerPid|FDSize|SigQ|SigBlk|Umask|voluntary|nonvoluntary|Threads)(\w+):[\t ]*(.*)$",
    re.MULTILINE,
)
"""Lines of ``status``, without those that change by themselves or because the process is being traced. Threads are
looked at first."""

_LINKS_OF_A_DIRECTORY: Final = 2
_NUMBERS: Final = re.compile(rb"^NSpid:(.*)$", re.MULTILINE)
_ONE_THREAD: Final = b"\nThreads:\t1\n"
_FIRST_HAS_ENDED: Final = b"\nState:\tZ"

_STAT: Final = {
    5: "process group",
    6: "session",
    7: "terminal",
    8: "terminal's group",
    18: "priority",
    19: "niceness",
    22: "start",
    26: "code",
    27: "end of code",
    28: "stack",
    38: "exit signal",
    40: "real-time priority",
    41: "policy",
    **{number: f"address {number}" for number in range(45, 52)},
}
"""Fields of ``stat`` that are compared, by the numbers that proc(5) gives them."""

_FIRST_STAT: Final = 3
_stat_values = itemgetter(*(number - _FIRST_STAT for number in _STAT))

_CPU_TIME_SET: Final = re.compile(rb"^(Max cpu time +)\S+ +", re.MULTILINE)
"""The soft limit of processor time, which each run sets."""

_LIMIT: Final = re.compile(rb" (unlimited|\d+) +(unlimited|\d+) ")
_UNLIMITED: Final = -1

_POSITION: Final = re.compile(rb"pos:\t\d+")
_RESULT: Final = "3"
_TEXT_BYTES: Final = 8192


def _signals(orders: Orders, _: bytes, __: bytes) -> None:
    orders.signals = True


def _waiting_signals(_: Orders, __: bytes, now: bytes) -> None:
    if int(now, 16) >> (signal.SIGSTOP - 1) & 1:  # no mask holds it back
        raise Unfit("stopped")


def _name(orders: Orders, before: bytes, _: bytes) -> None:
    orders.name = before.decode("utf-8", "surrogateescape")


def _soft_limits(orders: Orders, before: bytes, now: bytes) -> None:
    pairs = zip(_limits(before), _limits(now), strict=True)
    orders.limits = [(which, *old) for which, (old, new) in enumerate(pairs) if old != new]


WAITS: Final = (
    "read", "readv", "pread64", "preadv", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "pause",
    "nanosleep", "clock_nanosleep", "futex", "rt_sigtimedwait", "wait4", "waitid",
)  # fmt: skip
"""Calls that a thread may be in when it is stopped."""

LEAVE_NOTHING: Final = (
    *("stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2"),
    *("readlink", "readlinkat", "getdents64", "getcwd", "fsync", "fdatasync", "msync", "fadvise64"),
    *("rt_sigpending", "getitimer", "gettid", "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid"),
    *("getgroups", "getresuid", "getresgid", "getpgrp", "getpgid", "getsid", "getpriority", "getrlimit", "getrusage"),
    *("sched_yield", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getscheduler"),
    *("sched_getparam", "gettimeofday", "time", "times", "clock_gettime", "clock_getres", "sysinfo", "uname"),
    *("getrandom", "exit_group", "fcntl:1", "fcntl:3", "fcntl:5", "fcntl:36", "fcntl:1032", "fcntl:1034"),
    *("ioctl:0x5401", "ioctl:0x5413", "ioctl:0x541B", "prctl:3", "prctl:16", "prctl:39"),
)
"""The other calls of a rewound seat's filter: they ask, bring files to disk, or end it."""

_UNDONE, _SEEN, _IMPOSSIBLE, _STAYS = Fate.UNDONE, Fate.SEEN, Fate.IMPOSSIBLE, Fate.STAYS

ROWS: Final[tuple[Row, ...]] = (
    Row("memory", _UNDONE, "each page that was written is written back"),
    Row(
        "registers",
        _UNDONE,
        "set from the baseline and read back: general, floating-point, vectors, rounding, protection keys",
        calls=("rt_sigreturn",),
    ),
    Row("call in progress", _UNDONE, "the baseline's call is made anew", calls=(*WAITS, "restart_syscall")),
    Row(
        "added mappings",
        _UNDONE,
        "unmapped by the restored seat",
        reason="mappings",
        calls=("mmap", "munmap", "mprotect", "madvise:22", "madvise:23"),
    ),
    Row("mappings of the baseline", _SEEN, "sealed, or compared and ended", reason="mappings", calls=("mremap",)),
    Row("size of the heap", _UNDONE, "set to the baseline's by the restored seat", calls=("brk",)),
    Row(
        "advice on mappings",
        _IMPOSSIBLE,
        "the filter pretends or refuses it",
        calls=("madvise:4", "madvise:8", "madvise:10", "madvise:11", "madvise:14", "madvise:18"),
    ),
    Row("names of mappings", _IMPOSSIBLE, "the filter refuses PR_SET_VMA", calls=("prctl:0x53564D41",)),
    Row("threads", _UNDONE, "all but the first are made to end", reason="threads", calls=("clone", "exit")),
    Row("processes", _IMPOSSIBLE, "no clone but of threads", calls=("fork", "vfork", "clone3")),
    Row("handled signals", _UNDONE, "set by the restored seat", ("status:SigCgt",), _signals, calls=("rt_sigaction",)),
    Row("ignored signals", _UNDONE, "set by the restored seat", ("status:SigIgn",), _signals),
    Row(
        "blocked signals",
        _UNDONE,
        "set with the registers",
        calls=("rt_sigprocmask", "rt_sigsuspend"),
    ),
    Row(
        "waiting signals",
        _UNDONE,
        "taken by the restored seat",
        ("status:SigPnd", "status:ShdPnd"),
        _waiting_signals,
        calls=("kill", "tgkill"),
    ),
    Row("signal stack", _UNDONE, "taken away by the restored seat", calls=("sigaltstack",)),
    Row("interval timers", _UNDONE, "stopped by the restored seat", calls=("setitimer", "alarm")),
    Row("POSIX timers", _IMPOSSIBLE, "not in the filter", calls=("timer_create", "timerfd_create")),
    Row(
        "descriptors",
        _SEEN,
        "files, flags, positions",
        ("descriptors:*",),
        reason="descriptors",
        calls=("lseek", "fcntl:2", "fcntl:4", "ioctl:0x5421", "ioctl:0x5450", "ioctl:0x5451"),
    ),
    Row(
        "added descriptors",
        _UNDONE,
        "closed by the restored seat",
        reason="descriptors",
        calls=(
            "open",
            "openat",
            "close",
            "dup",
            "dup2",
            "dup3",
            "pipe",
            "pipe2",
            "eventfd2",
            "close_range",
            "fcntl:0",
            "fcntl:1030",
        ),
    ),
    Row("position in the result", _UNDONE, "set to its start by the restored seat"),
    Row(
        "epoll objects",
        _UNDONE,
        "closed like all added descriptors; their watches are counted anew",
        calls=("epoll_create", "epoll_create1", "epoll_ctl"),
    ),
    Row("locks on files", _IMPOSSIBLE, "the filter pretends them", calls=("flock",)),
    Row(
        "sockets, queues, shared memory",
        _IMPOSSIBLE,
        "not in the filter",
        calls=("socket", "io_uring_setup", "shmget", "msgget", "semget", "mq_open", "inotify_init1", "memfd_create"),
    ),
    Row("working directory", _UNDONE, "set by the restored seat", calls=("chdir", "fchdir")),
    Row("mask of new files", _UNDONE, "set by the restored seat", calls=("umask",)),
    Row(
        "files",
        _UNDONE,
        "the replica empties scratch; files elsewhere are not writable",
        calls=(
            "mkdir",
            "mkdirat",
            "rmdir",
            "unlink",
            "unlinkat",
            "rename",
            "renameat",
            "renameat2",
            "symlink",
            "symlinkat",
            "truncate",
            "ftruncate",
        ),
    ),
    Row(
        "what it wrote",
        _UNDONE,
        "the replica drops output, result and answers; the keeper drops confirmations",
        calls=("write", "writev", "pwrite64", "pwritev", "copy_file_range"),
    ),
    Row("root directory", _IMPOSSIBLE, "not in the filter", calls=("chroot", "pivot_root")),
    Row("name", _UNDONE, "set by the restored seat", ("status:Name",), _name, calls=("prctl:15",)),
    Row(
        "soft limits",
        _UNDONE,
        "set by the restored seat",
        ("limits:soft",),
        _soft_limits,
        calls=("setrlimit", "prlimit64"),
    ),
    Row("limit of processor time", _STAYS, "set anew by each run, from what was used so far"),
    Row("hard limits", _SEEN, "compared", ("limits:hard",), reason="limits"),
    Row("priority", _SEEN, "compared", ("stat:priority", "stat:niceness"), reason="priority", calls=("setpriority",)),
    Row("scheduling", _SEEN, "compared", ("stat:policy", "stat:real-time priority"), reason="priority"),
    Row("affinity", _IMPOSSIBLE, "not in the filter", calls=("sched_setaffinity", "ioprio_set", "set_mempolicy")),
    Row("restartable sequences", _SEEN, "compared", ("trace:rseq",), reason="registrations", calls=("rseq",)),
    Row("robust locks", _SEEN, "compared", ("trace:robust",), reason="registrations", calls=("set_robust_list",)),
    Row("memory barriers", _IMPOSSIBLE, "no membarrier for a rewound seat", calls=("membarrier",)),
    Row(
        "identity and walls",
        _IMPOSSIBLE,
        "not in the filter; the kernel's listing is compared too",
        calls=("setresuid", "setresgid", "setgroups", "capset", "seccomp", "landlock_restrict_self"),
    ),
    Row(
        "locked memory, personality, namespaces",
        _IMPOSSIBLE,
        "not in the filter",
        calls=("mlock", "mlockall", "personality", "unshare", "setns", "arch_prctl", "modify_ldt"),
    ),
    Row("random states", _UNDONE, "seeded by the restored seat"),
    Row("peak of resident memory", _UNDONE, "forgotten by the runner, if it may write the process's files in /proc"),
    Row("processor time, faults, peak of address space", _STAYS, "the kernel counts them for the process"),
    Row("address and kind of the last fault", _STAYS, "the kernel shows them to a function that handles a signal"),
    Row("size of the table of descriptors", _STAYS, "it never shrinks"),
    Row(
        "cached pages",
        _STAYS,
        "counts of faults, and the time of a read, tell for each page of the dataset whether an earlier run read it",
    ),
    Row("times of the result's file and of scratch", _STAYS, "they tell when the seat was rewound"),
)
"""The table. ``tests/unit/sandbox/rewind`` has a task, or a look at the filter, for each row."""

_BY_FIELD: Final = {field: row for row in ROWS for field in row.shown}
_UNLISTED: Final = Row("unlisted", _SEEN, "no row names it")


class KernelState:
    """The state of one seat, read from ``/proc`` and by ptrace while the seat is stopped."""

    def __init__(self, proc: str, seat: Tracee) -> None:
        """``proc``: the seat's directory in ``/proc``."""
        self._seat = seat
        self._proc = proc
        self._status, self._stat, self._limits = (
            os.open(f"{proc}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("status", "stat", "limits")
        )
        self._directory, self._threads = (
            os.open(f"{proc}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for name in ("fd", "task")
        )
        self._details: dict[str, int] = {}
        self._baseline: _Snapshot | None = None

    def remember(self) -> None:
        """Take the present state for the baseline."""
        self._details = {
            number: os.open(f"{self._proc}/fdinfo/{number}", os.O_RDONLY | os.O_CLOEXEC)
            for number in sorted(os.listdir(self._directory))
        }
        self._baseline = self._take()

    def other_threads(self) -> list[int]:
        """Return the numbers of all threads but the first."""
        if os.fstat(self._threads).st_nlink - _LINKS_OF_A_DIRECTORY == 1:
            return []
        first = os.path.basename(self._proc)
        numbers = (self._number_of(name) for name in os.listdir(self._threads) if name != first)
        return [number for number in numbers if number is not None]

    def _number_of(self, name: str) -> int | None:
        """Return the number of a thread by its name in ``/proc``, which may show those of another namespace; None if it
        has ended."""
        try:
            with open(f"{self._proc}/task/{name}/status", "rb") as file:
                return int(_NUMBERS.findall(file.read())[0].split()[-1])
        except (OSError, IndexError):
            return None

    def compare(self) -> Orders:
        """Return orders that undo what differs from the baseline. Raise ``Unfit`` if something cannot be undone."""
        assert self._baseline is not None
        numbers = sorted(os.listdir(self._directory))
        orders = Orders(close=[int(number) for number in numbers if number not in self._details])
        if len(numbers) - len(orders.close) < len(self._details):
            raise Unfit("descriptors", " ".join(numbers)[:200])
        now = self._take()
        if now == self._baseline:
            return orders
        was, found = self._baseline.fields(), now.fields()
        for field in sorted(was.keys() | found.keys()):
            before, after = was.get(field), found.get(field)
            if before == after:
                continue
            row = _BY_FIELD.get(field) or _BY_FIELD.get(field.partition(":")[0] + ":*") or _UNLISTED
            if row.undo is None or before is None or after is None:
                raise Unfit(row.reason, f"{field} {before!r} -> {after!r}"[:300])
            row.undo(orders, before, after)
        return orders

    def _take(self) -> "_Snapshot":
        status = os.pread(self._status, _TEXT_BYTES, 0)
        if _ONE_THREAD not in status or _FIRST_HAS_ENDED in status:
            raise Unfit("threads")
        stat = os.pread(self._stat, _TEXT_BYTES, 0)
        return _Snapshot(
            _STATUS.findall(status),
            _stat_values(stat[stat.rindex(b")") + 2 :].split()),
            _CPU_TIME_SET.sub(rb"\g<1>0 ", os.pread(self._limits, _TEXT_BYTES, 0), count=1),
            self._descriptors(),
            self._seat.restartable_sequences(),
            _robust_locks(self._seat.pid),
        )

    def _descriptors(self) -> list[bytes]:
        details = {number: os.pread(file, _TEXT_BYTES, 0) for number, file in self._details.items()}
        details[_RESULT] = _POSITION.sub(b"", details[_RESULT])
        return list(details.values())


@dataclass(slots=True)
class _Snapshot:
    """What the kernel shows, compared as a whole first."""

    status: list[tuple[bytes, bytes]]
    stat: tuple[bytes, ...]
    limits: bytes
    descriptors: list[bytes]
    rseq: bytes
    robust: bytes

    def fields(self) -> dict[str, bytes]:
        """Return everything by the names that rows use."""
        hard = b" ".join(b"%d" % hard for _, hard in _limits(self.limits))
        return {
            **{f"status:{name.decode()}": value for name, value in self.status},
            **{f"stat:{name}": value for name, value in zip(_STAT.values(), self.stat, strict=True)},
            **{f"descriptors:{index}": details for index, details in enumerate(self.descriptors)},
            "limits:soft": self.limits, "limits:hard": hard, "trace:rseq": self.rseq, "trace:robust": self.robust,
        }  # fmt: skip


def _limits(text: bytes) -> list[tuple[int, int]]:
    """Return soft and hard limits. The kernel lists them in the order of their numbers."""
    lines = text.splitlines()[1:]
    found = [match.groups() for line in lines if (match := _LIMIT.search(line)) is not None]
    values = [(_limit(soft), _limit(hard)) for soft, hard in found]
    if len(values) != len(lines):
        raise Unfit("limits", "cannot be read")
    return values


def _limit(text: bytes) -> int:
    return _UNLIMITED if text == b"unlimited" else int(text)


def _robust_locks(pid: int) -> bytes:
    head, length = ctypes.c_void_p(), ctypes.c_size_t()
    kernel.syscall(_GET_ROBUST_LIST, ctypes.c_int(pid), ctypes.byref(head), ctypes.byref(length))
    return f"{head.value} {length.value}".encode()


_GET_ROBUST_LIST: Final = number_of("get_robust_list", require_architecture()) or 0
