"""Lists the system calls that a process below the replica may make. All others are refused (EPERM).

The lists come from traces of real work (``tests/attacks/workloads.py``): pandas, pyarrow, graphistry, igraph,
scikit-learn, scipy, threads, asyncio, files in scratch. A call that could also reach another process, or evade a limit,
is allowed only with the arguments that such work needs.

There are four kinds of process: a **seat** runs a task; a **job** parses an upload; a **holder** maps a stored table
and forks seats, which inherit its filter and add theirs; a **keeper** restores a seat after each of its runs.
"""

from collections.abc import Mapping
from typing import Final

from runtime.sandbox.walls.rules import (
    ALLOW,
    INVALID,
    OWN_PID,
    PRETEND,
    UNKNOWN,
    UNSUPPORTED,
    AtMost,
    Check,
    Rule,
    When,
)

Policy = Mapping[str, Rule]

_THREAD: Final = 0x3D0F00
"""The flags of ``clone`` with which glibc starts a thread. No process, no file table of its own, no namespace."""

_CLOSE_RANGE_CLOEXEC: Final = 4
_CLONE_NEW: Final = 0x7E02_0000 | 0x80  # every namespace, and CLONE_NEWTIME

_MAP_SHARED, _MAP_PRIVATE, _MAP_TYPE = 1, 2, 0xF
_MAP_SHARED_ANONYMOUS: Final = 0x21
_MAP_FLAGS: Final = 0x13_D873
"""SHARED, PRIVATE, FIXED, ANONYMOUS, 32BIT, DENYWRITE, EXECUTABLE, NORESERVE, POPULATE, NONBLOCK, STACK,
FIXED_NOREPLACE. Not: the machine's huge pages, locked and droppable memory, synchronous writes."""

MOST_POLLED: Final = 64
"""Descriptors that one call may wait for."""

_ON_ITSELF: Final = When((Check(0, (0,)),))
_ON_ITSELF_BY_PID: Final = When((Check(0, (0, OWN_PID)),))
_WAITS: Final = {"select": 0, "pselect6": 0, "poll": 1, "ppoll": 1}
"""Calls that wait for files, with the argument that says for how many, or for those below which number."""
_TO_ITSELF: Final = When((Check(0, (OWN_PID,)),))

_FCNTL: Final = (0, 1, 2, 3, 4, 5, 36, 1030, 1032, 1034)
"""Duplicates, flags, asking for locks, for seals, for a pipe's size. Not: owners of signals, leases, notification."""

_LOCK: Final = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW and the same for open files. F_GETLK is allowed: the kernel answers that nobody has a lock."""

_IOCTL: Final = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: questions, and flags of one's own descriptors."""

_MADVISE: Final = (0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 22, 23)
"""Not: merging equal pages with other processes (a way to learn what they hold), poisoning pages, pushing pages of
files that other runs use out of memory, collapsing pages (work of the kernel that no limit counts)."""

_FADVISE: Final = (0, 1, 2, 3, 5)
"""Not: DONTNEED, which drops cached pages of a file, also of libraries that all runs use."""

_MEMBARRIER: Final = (0, 8, 16, 32, 64, 128, 256)
"""A question, and barriers within the process. Not: barriers that interrupt every processor of the machine."""

_FUTEX: Final = (0, 1, 3, 4, 5, 9, 10)
"""Wait, wake, requeue. Not: locks that inherit priorities, which libraries do not use and kernels had bugs in."""

_FUTEX_PRIVATE_OR_REALTIME: Final = 128 | 256
_RENAME_FLAGS: Final = (0, 1, 2)  # not RENAME_WHITEOUT, which makes a device
_PIPE_FLAGS: Final = 0x80000 | 0x800  # O_CLOEXEC, O_NONBLOCK; not notification queues
_MOST_CLOCK: Final = 15
"""The machine's clocks, and those of the calling thread and process. Larger numbers are other processes' clocks."""

_PR_SET_VMA: Final = 0x53564D41
_PRCTL: Final = (3, 15, 16, 39, _PR_SET_VMA)
"""PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_SET_VMA. Not: undoing what it was made with."""

_FREE: Final = (
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek",
    "copy_file_range", "open", "openat", "close", "dup", "dup2", "dup3", "pipe", "eventfd2",
    "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "unlink",
    "unlinkat", "rename", "renameat", "symlink", "symlinkat", "umask", "truncate",
    "ftruncate", "fsync", "fdatasync", "mremap", "munmap", "mprotect", "brk",
    "msync", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigsuspend",
    "rt_sigtimedwait", "sigaltstack", "pause", "alarm", "setitimer", "getitimer", "restart_syscall",
    "set_robust_list", "rseq", "gettid", "getpid", "getppid", "getuid", "geteuid", "getgid",
    "getegid", "getgroups", "getresuid", "getresgid", "getpgrp",
    "sched_yield", "sched_get_priority_max", "sched_get_priority_min", "wait4", "waitid",
    "nanosleep", "gettimeofday", "time", "times", "getrusage", "getrlimit", "setrlimit",
    "sysinfo", "uname", "getrandom", "exit", "exit_group",
)  # fmt: skip

_WITH_CARE: Final[Policy] = {
    # Threads, no processes: glibc falls back from clone3, whose flags no filter can read, to clone.
    "clone3": UNKNOWN,
    "clone": When((Check(0, (_THREAD,)),)),
    # No table of descriptors for each thread: the limit of open files, and our count, look at one table only.
    "close_range": When((Check(2, (0, _CLOSE_RANGE_CLOEXEC)),)),
    "kill": _TO_ITSELF,
    "tgkill": _TO_ITSELF,
    "prlimit64": _ON_ITSELF,
    "getpriority": When((Check(0, (0,)), Check(1, (0,)))),
    "setpriority": When((Check(0, (0,)), Check(1, (0,)))),  # only downwards, without privilege
    # Each of these would say whether another process exists.
    **dict.fromkeys(
        ("getpgid", "getsid", "sched_getaffinity", "sched_getscheduler", "sched_getparam"), _ON_ITSELF_BY_PID
    ),
    **dict.fromkeys(("clock_gettime", "clock_getres", "clock_nanosleep"), When((AtMost(0, _MOST_CLOCK),), INVALID)),
    "futex": When((Check(1, _FUTEX, mask=0xFFFFFFFF & ~_FUTEX_PRIVATE_OR_REALTIME),)),
    "membarrier": When((Check(0, _MEMBARRIER),)),
    # Locks are memory that no limit counts, and every other run would see those on a library's file.
    "fcntl": When((Check(1, _FCNTL),), otherwise=When((Check(1, _LOCK),), then=PRETEND)),
    "flock": PRETEND,
    "ioctl": When((Check(1, _IOCTL),)),
    "madvise": When((Check(2, _MADVISE),)),
    "prctl": When((Check(0, _PRCTL),)),
    # No limit counts shared memory whose pages were dropped, nor the flags that are missing from the list.
    "mmap": When(
        (
            Check(3, (_MAP_SHARED, _MAP_PRIVATE), mask=_MAP_TYPE),
            Check(3, (_MAP_SHARED_ANONYMOUS,), mask=_MAP_SHARED_ANONYMOUS, negate=True),
            Check(3, (0,), mask=0xFFFFFFFF & ~_MAP_FLAGS),
        )
    ),
    # It takes disk at once and past RLIMIT_FSIZE. C libraries then fill the file by writing, which is counted.
    "fallocate": UNSUPPORTED,
    "fadvise64": When((Check(3, _FADVISE),), PRETEND),
    "pipe2": When((Check(1, (0,), mask=0xFFFFFFFF & ~_PIPE_FLAGS),)),
    "renameat2": When((Check(4, _RENAME_FLAGS),)),
    # A waiting call keeps its files alive after their descriptors are closed and others are opened. The same is true of
    # epoll watches, which also count for the user, and of unread data in sockets, so both are missing here.
    **{name: When((AtMost(argument, MOST_POLLED),), INVALID) for name, argument in _WAITS.items()},
    # Landlock guards none of these. Libraries that copy files expect them to succeed, but need no effect.
    **dict.fromkeys(
        ("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utimensat"), PRETEND
    ),
    **dict.fromkeys(("listxattr", "llistxattr", "flistxattr", "getxattr", "lgetxattr", "fgetxattr"), UNSUPPORTED),
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr"), UNSUPPORTED),
    "openat2": UNKNOWN,
    # Python's preadv and pwritev try these first, then the calls without flags.
    "preadv2": UNKNOWN,
    "pwritev2": UNKNOWN,
}

SEAT: Final[Policy] = {**dict.fromkeys(_FREE, ALLOW), **_WITH_CARE}

_NOT_FOR_JOBS: Final = (
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2",
    "symlink", "symlinkat", "truncate", "chdir", "fchdir",
)  # fmt: skip

JOB: Final[Policy] = {name: rule for name, rule in SEAT.items() if name not in _NOT_FOR_JOBS}

_FOR_FORKING: Final = (
    "sendmsg", "recvmsg", "fork", "vfork", "set_tid_address", "pidfd_open", "prctl", "seccomp", "setresuid",
    "setresgid", "setgroups", "capset", "capget", "landlock_create_ruleset", "landlock_add_rule",
    "landlock_restrict_self",
)  # fmt: skip

_BY_OWN_PID: Final = (
    "kill", "tgkill", "getpgid", "getsid", "sched_getaffinity", "sched_getscheduler", "sched_getparam",
)  # fmt: skip

HOLDER: Final[Policy] = {
    **SEAT,
    **dict.fromkeys(_FOR_FORKING, ALLOW),
    "clone": When((Check(0, (0,), mask=_CLONE_NEW),)),
    # A seat's own pid is not the holder's, so only the seat's filter can judge these.
    **dict.fromkeys(_BY_OWN_PID, ALLOW),
}

COUNTED: Final = ("epoll_create", "epoll_create1", "epoll_ctl")
"""Calls that a seat may make a few times, if its holder can count them (``watches.py``)."""

_WATCHES: Final[Policy] = dict.fromkeys((*COUNTED, "epoll_wait", "epoll_pwait"), ALLOW)

RECEIVE_QUESTION, SEND_ANSWER = 0xC0502100, 0xC0182101
"""The ioctls SECCOMP_IOCTL_NOTIF_RECV and SECCOMP_IOCTL_NOTIF_SEND."""

COUNTED_SEAT: Final[Policy] = {**SEAT, **_WATCHES}
COUNTING_HOLDER: Final[Policy] = {
    **HOLDER, **_WATCHES, "ioctl": When((Check(1, (*_IOCTL, RECEIVE_QUESTION, SEND_ANSWER)),)),
}  # fmt: skip
"""The same, where a holder counts."""

_REWOUND_ADVICE: Final = (22, 23)
"""MADV_POPULATE_READ and _WRITE, which leave nothing but pages."""

_ADVICE_FOR_SPEED: Final = (0, 1, 2, 3, 10, 11, 14, 15, 16, 17)
"""Advice that is kept with a mapping, and so for the next run. A rewound seat is told that it took effect."""

_REWOUND: Final[Policy] = {
    # It can swap two pages, or free one, so that no page looks written.
    "mremap": UNKNOWN,
    "madvise": When(
        (Check(2, _REWOUND_ADVICE),), otherwise=When((Check(2, _ADVICE_FOR_SPEED),), then=PRETEND, otherwise=INVALID)
    ),
    # A registration stays with the process.
    "membarrier": UNKNOWN,
    # Not PR_SET_VMA, whose names stay with mappings.
    "prctl": When((Check(0, tuple(option for option in _PRCTL if option != _PR_SET_VMA)),), otherwise=INVALID),
}

REWOUND_SEAT: Final[Policy] = {**SEAT, **_REWOUND}
"""A seat that serves many runs. It may do nothing that its keeper can neither see nor undo."""
COUNTED_REWOUND_SEAT: Final[Policy] = {**COUNTED_SEAT, **_REWOUND}

UFFDIO_API, UFFDIO_REGISTER, PAGEMAP_SCAN = 0xC018AA3F, 0xC020AA00, 0xC0606610
"""The ioctls by which a process has its writes noted, and by which its keeper asks for them."""

PTRACE_REQUESTS: Final = (7, 17, 0x4201, 0x4204, 0x4205, 0x4206, 0x4207, 0x420A, 0x420B, 0x420F)
"""Stop, go on, registers, masks of signals. Not: single words of memory, injected calls, another's events."""

_TRACING: Final[Policy] = {
    "ptrace": When((Check(0, PTRACE_REQUESTS),)),
    "process_vm_writev": ALLOW,
    "get_robust_list": ALLOW,
}
_BEING_TRACKED: Final[Policy] = {"userfaultfd": When((Check(0, (0x80801,)),)), "mseal": ALLOW}
_FOR_REWINDING: Final = {**_TRACING, **_BEING_TRACKED}
_IOCTL_FOR_REWINDING: Final = (UFFDIO_API, UFFDIO_REGISTER, PAGEMAP_SCAN)

REWINDING_HOLDER: Final[Policy] = {
    **HOLDER, **_FOR_REWINDING, "ioctl": When((Check(1, (*_IOCTL, *_IOCTL_FOR_REWINDING)),)),
}  # fmt: skip
COUNTING_REWINDING_HOLDER: Final[Policy] = {
    **COUNTING_HOLDER, **_FOR_REWINDING,
    "ioctl": When((Check(1, (*_IOCTL, RECEIVE_QUESTION, SEND_ANSWER, *_IOCTL_FOR_REWINDING)),)),
}  # fmt: skip
"""Holders that fork keepers, whose filters cannot allow more than theirs."""

_FOR_KEEPERS: Final = (
    "read", "write", "pread64", "preadv", "open", "openat", "close", "fstat", "newfstatat", "lseek", "getdents64",
    "poll", "ppoll", "wait4", "kill", "sendmsg", "recvmsg", "mmap", "munmap", "mremap", "mprotect", "brk", "madvise",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall", "nanosleep", "clock_nanosleep",
    "clock_gettime", "getpid", "pidfd_open", "readlink", "exit_group", "futex",
)  # fmt: skip

KEEPER: Final[Policy] = {
    **dict.fromkeys(_FOR_KEEPERS, ALLOW),
    **_TRACING,
    "ioctl": When((Check(1, (*_IOCTL, PAGEMAP_SCAN)),)),
    "fcntl": SEAT["fcntl"],
    "preadv2": UNKNOWN,
    "mmap": SEAT["mmap"],
}
"""A keeper, once it has forked its seat. Its own seat, and no other process, is of its user (``kill``, ``ptrace``)."""

_IOCTL_OF_NVIDIA: Final = When((Check(1, (0x4600,), mask=0xFF00),))
"""The ioctls of NVIDIA's control files, whose numbers have the letter F. Landlock decides which files they reach."""

_IOCTL_OF_UVM: Final = When((Check(1, (*range(1, 96), 0x30000001, 0x30000002)),), otherwise=_IOCTL_OF_NVIDIA)
"""The same, and the ioctls of unified memory, which are plain numbers."""

_WITH_A_DEVICE: Final[Policy] = {
    "recvmsg": ALLOW,  # blocks of a dataset arrive as descriptors after the walls are up
    "ioctl": When((Check(1, _IOCTL),), otherwise=_IOCTL_OF_UVM),
}

DEVICE_SEAT: Final[Policy] = {**SEAT, **_WITH_A_DEVICE}
DEVICE_LOADER: Final[Policy] = {**JOB, **_WITH_A_DEVICE}
"""Written from public sources of the driver. On a device, ``tools/gpu/trace.py`` shows what is missing or unused."""
