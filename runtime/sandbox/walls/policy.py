"""Lists the system calls that a process below the replica may make. All others are refused (EPERM).

The lists come from traces of real work (``tests/attacks/workloads.py``): pandas, pyarrow, graphistry, igraph,
scikit-learn, scipy, threads, asyncio, files in scratch. A call that could also reach another process, or evade a limit,
is allowed only with the arguments that such work needs.

There are three kinds of process: a **seat** runs a task; a **job** parses an upload; a **holder** maps a stored table
and forks seats, which inherit its filter and add theirs.
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

_CLONE_VM, _CLONE_FILES, _CLONE_SIGHAND, _CLONE_THREAD = 0x100, 0x400, 0x800, 0x10000
_THREAD: Final = _CLONE_VM | _CLONE_FILES | _CLONE_SIGHAND | _CLONE_THREAD
_CLOSE_RANGE_CLOEXEC: Final = 4
_CLONE_NEW: Final = 0x7E02_0000 | 0x80  # every namespace, and CLONE_NEWTIME
_MAP_SHARED_ANONYMOUS: Final = 0x21
_MAP_HUGETLB: Final = 0x40000

MOST_POLLED: Final = 64
"""Descriptors that one call may wait for."""

_ON_ITSELF: Final = When((Check(0, (0,)),))
_WAITS: Final = {"select": 0, "pselect6": 0, "poll": 1, "ppoll": 1}
"""Calls that wait for files, with the argument that says for how many, or for those below which number."""
_TO_ITSELF: Final = When((Check(0, (OWN_PID,)),))

_FCNTL: Final = (0, 1, 2, 3, 4, 5, 36, 1030, 1032, 1034)
"""Duplicates, flags, asking for locks, for seals, for a pipe's size. Not: owners of signals, leases, notification."""

_LOCK: Final = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW and the same for open files. F_GETLK is allowed: the kernel answers that nobody has a lock."""

_IOCTL: Final = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: questions, and flags of one's own descriptors."""

_MADVISE: Final = (0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 20, 21, 22, 23, 25)
"""Not: merging equal pages with other processes (a way to learn what they hold), poisoning pages."""

_PRCTL: Final = (3, 15, 16, 39, 0x53564D41)
"""PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_SET_VMA. Not: undoing what it was made with."""

_FREE: Final = (
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek",
    "copy_file_range", "open", "openat", "close", "dup", "dup2", "dup3", "pipe", "pipe2", "eventfd2",
    "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "unlink",
    "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "umask", "truncate",
    "ftruncate", "fallocate", "fadvise64", "fsync", "fdatasync", "mremap", "munmap", "mprotect", "brk",
    "msync", "mincore", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigsuspend",
    "rt_sigtimedwait", "sigaltstack", "pause", "alarm", "setitimer", "getitimer", "restart_syscall", "futex",
    "set_robust_list", "rseq", "membarrier", "gettid", "getpid", "getppid", "getuid", "geteuid", "getgid",
    "getegid", "getgroups", "getresuid", "getresgid", "getpgrp", "getpgid", "getsid",
    "sched_yield", "sched_getaffinity", "sched_getscheduler", "sched_getparam", "sched_get_priority_max",
    "sched_get_priority_min", "getcpu", "wait4", "waitid", "clock_gettime", "clock_getres",
    "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrusage", "getrlimit", "setrlimit",
    "sysinfo", "uname", "getrandom", "exit", "exit_group", "timerfd_create", "timerfd_settime", "timerfd_gettime",
)  # fmt: skip

_WITH_CARE: Final[Policy] = {
    # Threads, no processes: glibc falls back from clone3, whose flags no filter can read, to clone.
    "clone3": UNKNOWN,
    "clone": When((Check(0, (_THREAD,), mask=_THREAD), Check(0, (0,), mask=_CLONE_NEW))),
    # No table of descriptors for each thread: the limit of open files, and our count, look at one table only.
    "close_range": When((Check(2, (0, _CLOSE_RANGE_CLOEXEC)),)),
    "kill": _TO_ITSELF,
    "tgkill": _TO_ITSELF,
    "prlimit64": _ON_ITSELF,
    "getpriority": When((Check(0, (0,)), Check(1, (0,)))),
    "setpriority": When((Check(0, (0,)), Check(1, (0,)))),  # only downwards, without privilege
    # Locks are memory that no limit counts, and every other run would see those on a library's file.
    "fcntl": When((Check(1, _FCNTL),), otherwise=When((Check(1, _LOCK),), then=PRETEND)),
    "flock": PRETEND,
    "ioctl": When((Check(1, _IOCTL),)),
    "madvise": When((Check(2, _MADVISE),)),
    "prctl": When((Check(0, _PRCTL),)),
    # No limit counts these mappings: shared memory whose pages were dropped, the machine's huge pages.
    "mmap": When(
        (
            Check(3, (_MAP_SHARED_ANONYMOUS,), mask=_MAP_SHARED_ANONYMOUS, negate=True),
            Check(3, (0,), mask=_MAP_HUGETLB),
        )
    ),
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
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat",
    "symlink", "symlinkat", "truncate", "chdir", "fchdir",
)  # fmt: skip

JOB: Final[Policy] = {name: rule for name, rule in SEAT.items() if name not in _NOT_FOR_JOBS}

_FOR_FORKING: Final = (
    "sendmsg", "recvmsg", "fork", "vfork", "set_tid_address", "pidfd_open", "prctl", "seccomp", "setresuid",
    "setresgid", "setgroups", "capset", "capget", "landlock_create_ruleset", "landlock_add_rule",
    "landlock_restrict_self",
)  # fmt: skip

HOLDER: Final[Policy] = {
    **SEAT,
    **dict.fromkeys(_FOR_FORKING, ALLOW),
    "clone": When((Check(0, (0,), mask=_CLONE_NEW),)),
    # A seat's own pid is not the holder's, so only the seat's filter can judge these.
    "kill": ALLOW,
    "tgkill": ALLOW,
}

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
