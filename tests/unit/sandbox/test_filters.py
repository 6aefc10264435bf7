"""Compiled system-call filters say what their rules say, for every call, on both architectures."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from runtime.sandbox.walls.bpf import MOST_INSTRUCTIONS, compile_filter
from runtime.sandbox.walls.rules import ALLOW as LET_THROUGH
from runtime.sandbox.walls.rules import DENY, OWN_PID, PRETEND, AtMost, Check, ErrnoAnswer, Rule, When
from runtime.sandbox.walls.syscalls import ARCHITECTURES, NEWEST_CALL, number_of
from tests.unit.sandbox.bpf_machine import ALLOW, KILL, verdict
from tests.unit.sandbox.filters import OF_REWINDING, PID, POLICIES, Filter, says
from tests.waiting import WITHIN_S

ALL = POLICIES | OF_REWINDING
EVERY = [(kind, machine) for kind in ALL for machine in ARCHITECTURES]
X32 = 0x40000000


@pytest.fixture(scope="module", params=EVERY, ids="-".join)
def every(request: pytest.FixtureRequest) -> Filter:
    """Each policy on each architecture."""
    kind, machine = request.param
    return Filter(ALL[kind], machine)


Conditions = tuple[Check | AtMost, ...]


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
        [sys.executable, "-c", code.replace("POLICIES", stacked)], capture_output=True, timeout=WITHIN_S, check=True
    )
    assert done.stdout == repr([errno.EPERM, errno.EPERM, 0, errno.ENOSYS, errno.EPERM]).encode()
