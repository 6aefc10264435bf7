"""The policies refuse, by name, the system calls that reach out of a sandbox."""

import errno

import pytest

from runtime.sandbox.walls import policy
from runtime.sandbox.walls.rules import Allow
from runtime.sandbox.walls.syscalls import ARCHITECTURES
from tests.unit.sandbox.bpf_machine import ALLOW
from tests.unit.sandbox.filters import PID, POLICIES, Filter

_ABOUT_ONESELF = ("getpgid", "getsid", "sched_getaffinity", "sched_getscheduler", "sched_getparam")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def seat(request: pytest.FixtureRequest) -> Filter:
    """The seat's on each architecture."""
    return Filter(policy.SEAT, request.param)


class TestPolicy:
    """What the lists are for, by name: a change of them that opens one of these has to change this too."""

    @pytest.mark.parametrize(
        "call",
        ["clone3", "openat2", "preadv2", "pwritev2"],
    )
    def test_these_do_not_exist_so_that_libraries_fall_back(self, seat: Filter, call: str) -> None:
        assert seat(call) == errno.ENOSYS

    def test_no_policy_names_a_call_that_reaches_out(self) -> None:
        never = {
            "socket", "connect", "bind", "listen", "accept", "accept4", "sendmmsg", "execve", "execveat", "ptrace",
            "process_vm_readv", "process_vm_writev", "io_uring_setup", "io_uring_enter", "bpf", "userfaultfd",
            "memfd_create", "memfd_secret", "shmget", "mq_open", "keyctl", "add_key", "mount", "umount2", "unshare",
            "setns", "pivot_root", "chroot", "perf_event_open", "pidfd_send_signal", "pidfd_getfd", "kcmp", "reboot",
            "init_module", "finit_module", "kexec_load", "open_by_handle_at", "name_to_handle_at", "mknod", "mknodat",
            "sched_setaffinity", "sched_setscheduler", "ioprio_set", "mlock", "mlockall", "swapon", "acct", "syslog",
            "inotify_init1", "fanotify_init", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill", "io_setup", "vmsplice",
            "splice", "tee", "quotactl", "personality", "modify_ldt", "process_madvise", "move_pages", "migrate_pages",
            "link", "linkat", "mincore", "getcpu",
        }  # fmt: skip
        for rules in POLICIES.values():
            assert not never & set(rules)

    def test_no_policy_names_a_call_that_lets_memory_grow_which_no_limit_counts(self) -> None:
        never = {
            "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "socketpair",
            "setsockopt", "sendto", "sendfile", "timer_create", "inotify_init", "fanotify_mark", "semget", "semop",
            "msgget", "msgsnd", "shmat", "io_submit", "request_key", "mlock2", "remap_file_pages", "set_mempolicy",
            "timerfd_create",
        }  # fmt: skip
        for rules in POLICIES.values():
            assert not never & set(rules)

    def test_what_traces_is_in_no_policy_of_a_process_that_runs_tasks(self) -> None:
        tracing = set(policy.KEEPER) - set(policy.HOLDER)
        assert tracing == {"ptrace", "process_vm_writev", "get_robust_list"}
        assert set(policy.REWINDING_HOLDER) - set(policy.HOLDER) == {*tracing, "userfaultfd", "mseal"}
        assert set(policy.COUNTED_REWOUND_SEAT) == set(policy.COUNTED_SEAT)

    def test_watches_are_for_seats_whose_holder_counts_them(self) -> None:
        for rules in (policy.DEVICE_SEAT, policy.DEVICE_LOADER, *POLICIES.values()):
            assert not set(policy.COUNTED) & set(rules)
        assert set(policy.COUNTED_SEAT) - set(policy.SEAT) == {*policy.COUNTED, "epoll_wait", "epoll_pwait"}

    def test_what_a_holder_needs_for_forking_a_seat_has_not(self, seat: Filter) -> None:
        for call in ("fork", "sendmsg", "recvmsg", "pidfd_open", "setresuid", "setgroups", "capset", "seccomp"):
            assert isinstance(policy.HOLDER[call], Allow)
            assert call not in policy.SEAT

    def test_a_job_touches_no_names_of_files(self) -> None:
        assert not {"unlink", "unlinkat", "rename", "renameat2", "mkdir", "symlink", "chdir"} & set(policy.JOB)
        assert set(policy.JOB) <= set(policy.SEAT)

    @pytest.mark.parametrize(("call", "argument"), [("poll", 1), ("select", 0)])
    def test_calls_of_one_architecture_wait_for_no_more_than_others(self, call: str, argument: int) -> None:
        on_intel = Filter(policy.SEAT, "x86_64")
        outcomes = [on_intel(call, *[0] * argument, count) for count in (policy.MOST_POLLED, policy.MOST_POLLED + 1)]
        assert outcomes == [ALLOW, errno.EINVAL]

    @pytest.mark.parametrize(
        ("call", "arguments", "outcome"),
        [
            ("kill", (PID, 9), ALLOW),
            ("kill", (0, 9), errno.EPERM),
            ("kill", (-1, 9), errno.EPERM),
            ("kill", (1, 0), errno.EPERM),
            ("kill", (-PID, 9), errno.EPERM),
            ("tgkill", (PID, PID + 3, 12), ALLOW),
            ("tgkill", (1, 1, 12), errno.EPERM),
            ("clone", (0x3D0F00,), ALLOW),  # glibc's thread
            ("clone", (17,), errno.EPERM),  # glibc's fork
            ("clone", (0x4111,), errno.EPERM),  # vfork
            ("clone", (0x3D0F00 | 0x10000000,), errno.EPERM),  # a user namespace with it
            ("clone", (0x3D0F00 & ~0x400,), errno.EPERM),  # a thread with descriptors of its own
            ("clone", (0x3D0F00 | 0x80000000,), errno.EPERM),  # CLONE_IO
            ("clone", (0x3D0F00 | 0x1000,), errno.EPERM),  # CLONE_PIDFD
            ("clone", (0x3D0F11,), errno.EPERM),  # a signal at its end
            ("close_range", (5, 0xFFFFFFFF, 0), ALLOW),
            ("close_range", (5, 0xFFFFFFFF, 2), errno.EPERM),  # the same in another way
            ("prlimit64", (0, 7), ALLOW),
            ("prlimit64", (1, 7), errno.EPERM),
            ("setpriority", (0, 0, 10), ALLOW),
            ("setpriority", (0, 1, 10), errno.EPERM),
            ("setpriority", (2, 0, 10), errno.EPERM),  # all processes of the user
            ("fcntl", (3, 8, PID), errno.EPERM),  # F_SETOWN: who gets a descriptor's signals
            ("fcntl", (3, 1033, 1), errno.EPERM),  # F_ADD_SEALS
            ("fcntl", (3, 1031, 1 << 20), errno.EPERM),  # F_SETPIPE_SZ
            ("fcntl", (3, 5), ALLOW),  # F_GETLK
            ("fcntl", (3, 36), ALLOW),
            *[("fcntl", (3, command | 1 << 40), 0) for command in (6, 7, 37, 38)],  # F_SETLK, F_OFD_SETLKW
            ("ppoll", (0x7F00_0000_0000, 64), ALLOW),
            ("ppoll", (0x7F00_0000_0000, 65), errno.EINVAL),
            ("ppoll", (0x7F00_0000_0000, -1), errno.EINVAL),
            ("pselect6", (64, 0), ALLOW),
            ("pselect6", (65, 0), errno.EINVAL),
            ("ioctl", (0, 0x5401), ALLOW),
            ("ioctl", (0, 0x5412), errno.EPERM),  # TIOCSTI: typing into a terminal
            ("ioctl", (0, 0x5412 | 1 << 32), errno.EPERM),
            ("ioctl", (0, 0x5401 | 1 << 32), ALLOW),  # the kernel looks at the lower half only
            *[("madvise", (0, 4096, advice), errno.EPERM) for advice in (12, 20, 21, 25)],  # merge, push out
            ("madvise", (0, 4096, 4), ALLOW),
            ("fallocate", (3, 1, 0, 3 << 30), errno.EOPNOTSUPP),
            ("fadvise64", (3, 0, 0, 2), ALLOW),
            ("fadvise64", (3, 0, 0, 4), 0),  # dropping a library's pages
            ("membarrier", (8,), ALLOW),
            ("membarrier", (1,), errno.EPERM),  # an interrupt on every processor
            ("futex", (0, 0 | 128), ALLOW),
            ("futex", (0, 9 | 128 | 256), ALLOW),
            ("futex", (0, 6), errno.EPERM),  # a lock that inherits priorities
            ("futex", (0, 13 | 128), errno.EPERM),
            ("pipe2", (0, 0x80800), ALLOW),
            ("pipe2", (0, 0x80), errno.EPERM),  # O_NOTIFICATION_PIPE
            ("renameat2", (3, 0, 3, 0, 1), ALLOW),
            ("renameat2", (3, 0, 3, 0, 4), errno.EPERM),  # RENAME_WHITEOUT
            *[(call, (pid,), ALLOW) for call in _ABOUT_ONESELF for pid in (0, PID)],
            *[(call, (1,), errno.EPERM) for call in _ABOUT_ONESELF],  # is there such a process?
            ("clock_gettime", (2,), ALLOW),
            ("clock_gettime", (~1 << 3 | 2,), errno.EINVAL),  # the CPU time of process 1
            ("clock_nanosleep", (1, 1), ALLOW),
            ("clock_nanosleep", (~1 << 3 | 2, 0), errno.EINVAL),
            ("prctl", (4, 1), errno.EPERM),  # PR_SET_DUMPABLE
            ("prctl", (1, 0), errno.EPERM),  # PR_SET_PDEATHSIG
            ("prctl", (15, 0), ALLOW),
            ("mmap", (0, 4096, 3, 0x22), ALLOW),
            ("mmap", (0, 4096, 3, 0x21), errno.EPERM),
            ("mmap", (0, 4096, 3, 0x23), errno.EPERM),  # MAP_SHARED_VALIDATE
            ("mmap", (0, 4096, 1, 0x01), ALLOW),  # of a file
            ("mmap", (0, 4096, 3, 0x40022), errno.EPERM),  # of the machine's huge pages
            ("mmap", (0, 4096, 3, 0x20022), ALLOW),  # a stack
            ("mmap", (0, 4096, 3, 0x28), errno.EPERM),  # MAP_DROPPABLE
            ("mmap", (0, 4096, 3, 0x2022), errno.EPERM),  # MAP_LOCKED
            ("mmap", (0, 4096, 3, 0x122), errno.EPERM),  # MAP_GROWSDOWN
            ("mmap", (0, 4096, 1, 0x80003), errno.EPERM),  # MAP_SYNC
            ("mmap", (0, 4096, 3, 0x104022), ALLOW),  # at a fixed place, without swap
            ("fchmod", (3, 0o777), 0),
            ("fsetxattr", (3,), errno.EOPNOTSUPP),
        ],
    )  # fmt: skip
    def test_dangerous_calls_by_argument(
        self, seat: Filter, call: str, arguments: tuple[int, ...], outcome: str | int
    ) -> None:
        assert seat(call, *arguments) == outcome
