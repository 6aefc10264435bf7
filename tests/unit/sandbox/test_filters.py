"""System-call filters say what the policy says, of every call, on both architectures."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.sandbox.walls import policy
from runtime.sandbox.walls.bpf import MOST_INSTRUCTIONS, compile_filter
from runtime.sandbox.walls.rules import ALLOW as LET_THROUGH
from runtime.sandbox.walls.rules import DENY, OWN_PID, PRETEND, Allow, AtMost, Check, ErrnoAnswer, Rule, When
from runtime.sandbox.walls.syscalls import ARCHITECTURES, NEWEST_CALL, NUMBERS, number_of
from tests.unit.sandbox.bpf_machine import ALLOW, KILL, verdict

POLICIES = {"seat": policy.SEAT, "job": policy.JOB, "holder": policy.HOLDER}
EVERY = [(kind, machine) for kind in POLICIES for machine in ARCHITECTURES]
PID = 4242
X32 = 0x40000000
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h", "/usr/aarch64-linux-gnu/include/asm-generic/unistd.h"),
}


class Filter:
    """One policy, compiled for one architecture."""

    def __init__(self, rules: policy.Policy, machine: str) -> None:
        self.architecture = ARCHITECTURES[machine]
        numbered = ((number_of(name, self.architecture), name, rule) for name, rule in rules.items())
        self.by_number = {number: (name, rule) for number, name, rule in numbered if number is not None}
        compiled = {number: rule for number, (_, rule) in self.by_number.items()}
        program = compile_filter(compiled, self.architecture.audit_number, NEWEST_CALL)
        code = bytearray(program.code)
        program.set_pid(code, PID)
        self.code = bytes(code)

    def __call__(self, call: str | int, *arguments: int) -> str | int:
        number = number_of(call, self.architecture) if isinstance(call, str) else call
        assert number is not None
        return verdict(self.code, self.architecture.audit_number, number, arguments)


@pytest.fixture(scope="module", params=EVERY, ids="-".join)
def every(request: pytest.FixtureRequest) -> Filter:
    """Each policy on each architecture."""
    kind, machine = request.param
    return Filter(POLICIES[kind], machine)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def seat(request: pytest.FixtureRequest) -> Filter:
    """The seat's on each architecture."""
    return Filter(policy.SEAT, request.param)


Conditions = tuple[Check | AtMost, ...]


def says(rule: Rule, arguments: list[int]) -> str | int:
    """What a rule says of arguments, read without a filter."""
    match rule:
        case Allow():
            return ALLOW
        case ErrnoAnswer(answer):
            return answer
        case When(checks, otherwise, then):
            return says(then if all(_holds(check, arguments) for check in checks) else otherwise, arguments)


def _holds(check: Check | AtMost, arguments: list[int]) -> bool:
    argument = arguments[check.argument]
    if isinstance(check, AtMost):
        return argument & 0xFFFFFFFF <= check.most
    if check.whole and argument >> 32:
        return False
    return (argument & check.mask in {PID if one == OWN_PID else one for one in check.values}) != check.negate


def choices(rule: Rule) -> Iterator[When]:
    """A rule that looks at arguments, and those within it."""
    if isinstance(rule, When):
        yield rule
        yield from choices(rule.then)
        yield from choices(rule.otherwise)


def meeting(checks: Conditions) -> Iterator[list[int]]:
    """Arguments that meet every check: each of its values, with rubbish in the bits that none looks at."""
    for check in checks:
        if isinstance(check, AtMost):
            for value in (0, 1, check.most - 1, check.most, check.most | 0xABCD << 32):
                arguments = _that_meet(checks)
                arguments[check.argument] = value
                yield arguments
            continue
        seen = [one for one in checks if one.argument == check.argument and isinstance(one, Check)]
        rubbish = ~sum({bit for one in seen for bit in _bits(one.mask)}) & 0xFFFFFFFF
        if not any(one.whole for one in seen):
            rubbish |= 0xABCD << 32
        for value in check.values:
            arguments = _that_meet(checks)
            if not check.negate:
                arguments[check.argument] &= ~check.mask
                arguments[check.argument] |= (PID if value == OWN_PID else value) | rubbish
            yield arguments


def failing(checks: Conditions) -> Iterator[list[int]]:
    """Arguments that meet every check but one."""
    for check in checks:
        mask = check.mask if isinstance(check, Check) else 0xFFFFFFFF
        for wrong in _some_that_fail(check):
            arguments = _that_meet(checks)
            arguments[check.argument] = arguments[check.argument] & ~mask & 0xFFFFFFFF | wrong
            yield arguments


def _that_meet(checks: Conditions) -> list[int]:
    arguments = [0] * 6
    for check in checks:
        arguments[check.argument] |= _one_that_meets(check)
    return arguments


def _bits(mask: int) -> list[int]:
    return [1 << bit for bit in range(32) if mask & 1 << bit]


def _one_that_meets(check: Check | AtMost) -> int:
    if isinstance(check, AtMost):
        return 0
    if check.negate:
        return next(one for one in range(1 << 8) if one & check.mask not in check.values)
    return PID if check.values[0] == OWN_PID else check.values[0]


def _some_that_fail(check: Check | AtMost) -> list[int]:
    if isinstance(check, AtMost):
        return [check.most + 1, check.most + 2, 1 << 31, (1 << 32) - 1]
    values = {PID if value == OWN_PID else value for value in check.values}
    if check.negate:
        return sorted(values)
    bits = _bits(check.mask)
    tried = {0, *bits, check.mask, PID + 1, PID - 1, *(value ^ bits[0] for value in values)}
    wrong = [one & check.mask for one in tried if one & check.mask not in values]
    return [*wrong, *([value | 1 << 32 for value in values] if check.whole else [])]


def test_every_call_number_gets_what_the_policy_says(every: Filter) -> None:
    for number in range(NEWEST_CALL + 1):
        rule = every.by_number.get(number, ("", DENY))[1]
        for arguments in ([0] * 6, [(1 << 64) - 1] * 6):
            assert every(number, *arguments) == says(rule, arguments), (number, arguments)
        for choice in choices(rule):
            for arguments in meeting(choice.checks):
                assert says(choice, arguments) == says(choice.then, arguments)
                assert every(number, *arguments) == says(rule, arguments), (number, arguments)
            for arguments in failing(choice.checks):
                assert says(choice, arguments) == says(choice.otherwise, arguments)
                assert every(number, *arguments) == says(rule, arguments), (number, arguments)


@pytest.mark.parametrize("number", [NEWEST_CALL + 1, NEWEST_CALL + 100, X32 - 1, X32, X32 + 1, X32 + 59, -1, 1 << 31])
def test_calls_that_the_tables_do_not_know_do_not_exist(every: Filter, number: int) -> None:
    assert every(number) == errno.ENOSYS


@pytest.mark.parametrize("architecture", [0x40000003, 0x40000028, 0xC000003E, 0xC00000B7, 0])  # i386, arm, ours, none
def test_a_call_through_another_entry_ends_the_process(every: Filter, architecture: int) -> None:
    expected = {KILL} if architecture != every.architecture.audit_number else {ALLOW}
    read = number_of("read", every.architecture)
    assert read is not None
    assert {verdict(every.code, architecture, read)} == expected


def test_a_filter_is_short_and_every_jump_lands(every: Filter) -> None:
    assert len(every.code) // 8 <= MOST_INSTRUCTIONS
    assert len(every.code) // 8 < 700, "each instruction is tried for every number when a filter goes up"
    longest = 0
    for number in range(NEWEST_CALL + 2):
        longest = max(longest, _steps(every.code, every.architecture.audit_number, number))
    assert longest < 60, "the way to an answer is long"


def _steps(code: bytes, architecture: int, number: int) -> int:
    """Instructions on the way to the first look at an argument, or to the answer."""
    at = steps = 0
    loads = 0
    while True:
        operation, if_true, if_false, k = _instruction(code, at)
        at, steps = at + 1, steps + 1
        loads += operation == 0x20
        if operation == 0x06 or loads == 3:
            return steps
        if operation == 0x05:
            at += k
        elif operation in (0x15, 0x35):
            value = architecture if loads == 1 else number
            at += if_true if (value == k if operation == 0x15 else value >= k) else if_false


def _instruction(code: bytes, index: int) -> tuple[int, int, int, int]:
    raw = code[index * 8 : index * 8 + 8]
    assert len(raw) == 8, "a jump behind the end"
    operation = int.from_bytes(raw[:2], "little")
    return operation, raw[2], raw[3], int.from_bytes(raw[4:], "little")


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
        }  # fmt: skip
        for rules in POLICIES.values():
            assert not never & set(rules)

    def test_no_policy_names_a_call_that_lets_memory_grow_which_no_limit_counts(self) -> None:
        never = {
            "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "socketpair",
            "setsockopt", "sendto", "sendfile", "timer_create", "inotify_init", "fanotify_mark", "semget", "semop",
            "msgget", "msgsnd", "shmat", "io_submit", "request_key", "mlock2", "remap_file_pages", "set_mempolicy",
        }  # fmt: skip
        for rules in POLICIES.values():
            assert not never & set(rules)

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
            ("madvise", (0, 4096, 12), errno.EPERM),  # MADV_MERGEABLE
            ("prctl", (4, 1), errno.EPERM),  # PR_SET_DUMPABLE
            ("prctl", (1, 0), errno.EPERM),  # PR_SET_PDEATHSIG
            ("prctl", (15, 0), ALLOW),
            ("mmap", (0, 4096, 3, 0x22), ALLOW),
            ("mmap", (0, 4096, 3, 0x21), errno.EPERM),
            ("mmap", (0, 4096, 3, 0x23), errno.EPERM),  # MAP_SHARED_VALIDATE
            ("mmap", (0, 4096, 1, 0x01), ALLOW),  # of a file
            ("mmap", (0, 4096, 3, 0x40022), errno.EPERM),  # of the machine's huge pages
            ("mmap", (0, 4096, 3, 0x20022), ALLOW),  # a stack
            ("fchmod", (3, 0o777), 0),
            ("fsetxattr", (3,), errno.EOPNOTSUPP),
        ],
    )  # fmt: skip
    def test_dangerous_calls_by_argument(
        self, seat: Filter, call: str, arguments: tuple[int, ...], outcome: str | int
    ) -> None:
        assert seat(call, *arguments) == outcome


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_numbers_are_the_kernels_own(machine: str) -> None:
    header = next((path for path in HEADERS[machine] if Path(path).is_file()), None)
    if header is None:
        pytest.skip(f"the kernel's headers for {machine} are not installed")
    theirs = _numbers_of(Path(header).read_text(encoding="ascii"))
    assert len(theirs) > 250
    ours = {name: number for name in NUMBERS if (number := number_of(name, ARCHITECTURES[machine])) is not None}
    known = {name: number for name, number in ours.items() if number <= max(theirs.values())}
    assert {name: theirs.get(name) for name in known} == known
    assert {name for name in NUMBERS if name in theirs} - ours.keys() == set()


def _numbers_of(text: str) -> dict[str, int]:
    """Of a header; the generic one gives some names through a 64-bit alias (``__NR3264_fcntl``)."""
    found: dict[str, int] = {}
    for name, value in re.findall(r"^#define __NR(?:3264)?_(\w+) (\d+)$", text, re.MULTILINE):
        found.setdefault(name, int(value))
    renamed = re.findall(r"^#define __NR_(\w+) __NR3264_(\w+)$", text, re.MULTILINE)
    found |= {name: found[old] for name, old in renamed if old in found and name not in found}
    return found


def test_every_name_of_a_policy_is_in_the_table_and_no_number_twice() -> None:
    assert set().union(*POLICIES.values()) <= set(NUMBERS)
    for architecture in ARCHITECTURES.values():
        numbers = [number for name in NUMBERS if (number := number_of(name, architecture)) is not None]
        assert len(numbers) == len(set(numbers))
        assert max(numbers) <= NEWEST_CALL


def test_choices_may_lie_within_choices() -> None:
    inner = When((AtMost(2, 7), Check(1, (3, 4))), ErrnoAnswer(errno.EXDEV), then=PRETEND)
    rules: dict[int, Rule] = {1: When((Check(0, (1, 2)),), otherwise=inner, then=inner), 2: inner}
    code = compile_filter(rules, 0xC000003E, 5).code
    for number in rules:
        for arguments in ([a, b, c] for a in range(4) for b in range(2, 6) for c in (0, 7, 8, 1 << 31)):
            assert verdict(code, 0xC000003E, number, arguments) == says(rules[number], arguments)


@pytest.mark.parametrize("size", [1, 40, 400])
def test_trees_of_any_size_are_right(size: int) -> None:
    """Long runs of rules with arguments need jumps that do not fit one instruction."""
    checked = When((Check(1, tuple(range(10, 40))),), ErrnoAnswer(errno.EXDEV))
    rules: dict[int, Rule] = {number: checked if number % 2 else LET_THROUGH for number in range(size)}
    try:
        code = compile_filter(rules, 0xC000003E, size + 5).code
    except ValueError as error:
        assert size == 400
        assert "instructions" in str(error)
        return
    for number in range(size):
        assert verdict(code, 0xC000003E, number, (0, 39)) == ALLOW
        assert verdict(code, 0xC000003E, number, (0, 40)) == (errno.EXDEV if number % 2 else ALLOW)
    assert verdict(code, 0xC000003E, size) == errno.EPERM
    assert verdict(code, 0xC000003E, size + 6) == errno.ENOSYS


@pytest.mark.parametrize("stacked", ["[policy.HOLDER, policy.SEAT]", "[policy.SEAT]", "[policy.JOB]"])
def test_the_kernel_takes_each_filter_and_says_the_same(stacked: str) -> None:
    if os.uname().machine not in ARCHITECTURES:
        pytest.skip("there is no table for this architecture")
    code = """
import ctypes, os
from runtime.sandbox.walls import kernel, policy
from runtime.sandbox.walls.seccomp import prepare_filter
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
for program in [prepare_filter(rules) for rules in POLICIES]:
    program.put_up()
def tried(act):
    try:
        act()
        return 0
    except OSError as error:
        return error.errno
os.write(1, repr([tried(os.fork), tried(lambda: os.kill(os.getppid(), 0)), tried(lambda: os.kill(os.getpid(), 0)),
    tried(lambda: kernel.syscall(0x40000000)), tried(lambda: kernel.syscall(460))]).encode())
"""
    done = subprocess.run(
        [sys.executable, "-c", code.replace("POLICIES", stacked)], capture_output=True, timeout=60, check=True
    )
    assert done.stdout == repr([errno.EPERM, errno.EPERM, 0, errno.ENOSYS, errno.EPERM]).encode()
