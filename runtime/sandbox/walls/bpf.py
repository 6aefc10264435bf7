"""Compiles system-call filters to programs of the kernel's classic packet filter (BPF).

A filter is a decision tree over call numbers. That keeps it fast to run, and fast to install, because the kernel tries
every number once when a filter goes up.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runtime.sandbox.walls.rules import DENY, OWN_PID, UNKNOWN, Allow, Ask, AtMost, Check, ErrnoAnswer, Rule, When

_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x54, 0x06
_ALLOW, _ASK, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x7FC00000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_FARTHEST: Final = 255
MOST_INSTRUCTIONS: Final = 4096

_INSTRUCTION: Final = struct.Struct("=HBBI")
_PID: Final = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class _Instruction:
    code: int
    k: int
    if_true: int = 0
    if_false: int = 0
    is_pid: bool = False


_Block = list[_Instruction]


@dataclass(frozen=True, slots=True)
class Program:
    """Machine code of a filter. ``pid_offsets``: where the pid of the installing process belongs."""

    code: bytes
    pid_offsets: tuple[int, ...]

    def set_pid(self, code: Any, pid: int) -> None:
        """Write the pid into ``code``, a writable copy of the program's code (any buffer)."""
        for offset in self.pid_offsets:
            _PID.pack_into(code, offset, pid)


def compile_filter(rules: Mapping[int, Rule], architecture: int, newest_call: int, other: Rule = DENY) -> Program:
    """Compile a filter from rules by call number. ``other`` applies to numbers without a rule.

    Numbers after ``newest_call`` get ENOSYS. A call by another architecture's entry kills the process.
    """
    tree = _tree(_segments(rules, other, newest_call))
    block = [
        _Instruction(_LOAD, _ARCHITECTURE_AT),
        _Instruction(_JUMP_EQUAL, architecture, 1, 0),
        _Instruction(_RETURN, _KILL_PROCESS),
        _Instruction(_LOAD, _NUMBER_AT),
        *tree,
    ]
    if len(block) > MOST_INSTRUCTIONS:
        raise ValueError(f"a filter of {len(block)} instructions")
    code = b"".join(_INSTRUCTION.pack(item.code, item.if_true, item.if_false, item.k) for item in block)
    pids = tuple(index * _INSTRUCTION.size + 4 for index, item in enumerate(block) if item.is_pid)
    return Program(code, pids)


def _segments(rules: Mapping[int, Rule], other: Rule, newest_call: int) -> list[tuple[int, Rule]]:
    """Return the first number of each range of numbers that share a rule."""
    segments: list[tuple[int, Rule]] = []
    for number in range(newest_call + 1):
        rule = rules.get(number, other)
        if not segments or segments[-1][1] != rule or isinstance(rule, When):
            segments.append((number, rule))
    return [*segments, (newest_call + 1, UNKNOWN)]  # up to the largest number, so the calls of x32 are included


def _tree(segments: list[tuple[int, Rule]]) -> _Block:
    if len(segments) == 1:
        return _leaf(segments[0][1])
    middle = len(segments) // 2
    below, above = _tree(segments[:middle]), _tree(segments[middle:])
    start = segments[middle][0]
    if len(below) <= _FARTHEST:
        return [_Instruction(_JUMP_AT_LEAST, start, len(below), 0), *below, *above]
    return [_Instruction(_JUMP_AT_LEAST, start, 0, 1), _Instruction(_JUMP, len(below)), *below, *above]


def _leaf(rule: Rule) -> _Block:
    match rule:
        case Allow():
            return [_Instruction(_RETURN, _ALLOW)]
        case Ask():
            return [_Instruction(_RETURN, _ASK)]
        case ErrnoAnswer(number):
            return [_Instruction(_RETURN, _ERRNO | number)]
        case When(checks, otherwise, then):
            refuse = _leaf(otherwise)
            block = _leaf(then)
            for check in reversed(checks):
                block = _check(check, block, refuse) if isinstance(check, Check) else _at_most(check, block, refuse)
            return block


def _check(check: Check, then: _Block, refuse: _Block) -> _Block:
    """Run ``then`` if the check holds, else ``refuse``."""
    at = _ARGUMENTS_AT + 8 * check.argument  # both of our architectures store the lower half first
    block: _Block = []
    if check.whole:
        block += [_Instruction(_LOAD, at + 4), _Instruction(_JUMP_EQUAL, 0, 1, 0), *refuse]
    block.append(_Instruction(_LOAD, at))
    if check.mask != 0xFFFFFFFF:
        block.append(_Instruction(_AND, check.mask))
    met, unmet = (refuse, then) if check.negate else (then, refuse)
    for index, value in enumerate(check.values):
        far = len(check.values) - 1 - index + len(unmet)
        is_pid = value == OWN_PID
        block.append(_Instruction(_JUMP_EQUAL, 0 if is_pid else value, far, 0, is_pid=is_pid))
    return [*block, *unmet, *met]


def _at_most(check: AtMost, then: _Block, refuse: _Block) -> _Block:
    """Do the same for an upper bound."""

    load = _Instruction(_LOAD, _ARGUMENTS_AT + 8 * check.argument)
    return [load, _Instruction(_JUMP_AT_LEAST, check.most + 1, 0, len(refuse)), *refuse, *then]
