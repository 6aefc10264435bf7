"""Whatever the filter of a rewound seat lets through is in the table of kernel state, and what it forbids is not."""

from collections.abc import Iterator

import pytest

from runtime.sandbox.guest.rewind.state import LEAVE_NOTHING, ROWS, Fate
from runtime.sandbox.walls import policy
from runtime.sandbox.walls.rules import ALLOW as ALLOWED
from runtime.sandbox.walls.rules import Check, ErrnoAnswer, Rule, When
from runtime.sandbox.walls.syscalls import ARCHITECTURES
from tests.unit.sandbox.bpf_machine import ALLOW
from tests.unit.sandbox.filters import Filter

SELECTORS = {"fcntl": 1, "ioctl": 1, "madvise": 2, "prctl": 0, "membarrier": 0}
"""Calls that do many things, with the argument that says which."""

POSSIBLE = {call for row in ROWS if row.fate is not Fate.IMPOSSIBLE for call in row.calls} | set(LEAVE_NOTHING)
IMPOSSIBLE = {call for row in ROWS if row.fate is Fate.IMPOSSIBLE for call in row.calls}


def constants(rule: Rule) -> Iterator[int]:
    """The numbers that a rule names."""
    if isinstance(rule, When):
        for check in rule.checks:
            yield from check.values if isinstance(check, Check) else (check.most,)
        yield from constants(rule.then)
        yield from constants(rule.otherwise)


def let_through(rules: policy.Policy, machine: str) -> set[str]:
    """Every call that a filter may let through, those of ``SELECTORS`` with what they do."""
    compiled, found = Filter(rules, machine), set()
    for name, rule in compiled.by_number.values():
        if name not in SELECTORS:
            found |= set() if isinstance(rule, ErrnoAnswer) else {name}
            continue
        for value in {*range(2048), *constants(rule)}:
            arguments = [0] * SELECTORS[name]
            if compiled(name, *arguments, value & 0xFFFFFFFF) == ALLOW:
                found.add(f"{name}:{value:#x}" if name == "ioctl" else f"{name}:{value}")
    return found


def normal(call: str) -> str:
    """The same call, with a number that is written in one way."""
    name, _, value = call.partition(":")
    return f"{name}:{int(value, 0)}" if value else name


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("rules", [policy.REWOUND_SEAT, policy.COUNTED_REWOUND_SEAT], ids=["seat", "counted"])
def test_each_call_of_the_filter_is_accounted_for(rules: policy.Policy, machine: str) -> None:
    assert {normal(call) for call in let_through(rules, machine)} <= {normal(call) for call in POSSIBLE}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_is_impossible_is_not_let_through(machine: str) -> None:
    through = {normal(call) for call in let_through(policy.COUNTED_REWOUND_SEAT, machine)}
    assert not through & {normal(call) for call in IMPOSSIBLE}


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        ("sendmsg", ALLOWED),
        ("prctl", When((Check(0, (15, 59)),))),
        ("madvise", When((Check(2, (22, 18)),))),
        ("fcntl", When((Check(1, (8,)),))),
        ("ioctl", When((Check(1, (0x5452,)),))),
    ],
)
def test_a_call_that_is_added_to_the_filter_alone_is_found(call: str, rule: Rule) -> None:
    added = let_through({**policy.REWOUND_SEAT, call: rule}, "x86_64")
    assert not {normal(one) for one in added} <= {normal(one) for one in POSSIBLE}
