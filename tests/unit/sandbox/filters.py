"""Policies compiled to system-call filters, and what their rules say without a filter."""

from runtime.sandbox.walls import policy
from runtime.sandbox.walls.bpf import compile_filter
from runtime.sandbox.walls.rules import OWN_PID, Allow, Ask, AtMost, Check, ErrnoAnswer, Rule, When
from runtime.sandbox.walls.syscalls import ARCHITECTURES, NEWEST_CALL, number_of
from tests.unit.sandbox.bpf_machine import ALLOW, verdict

POLICIES = {
    "seat": policy.SEAT,
    "job": policy.JOB,
    "holder": policy.HOLDER,
    "rewound seat": policy.REWOUND_SEAT,
}
OF_REWINDING = {
    "keeper": policy.KEEPER,
    "rewinding holder": policy.REWINDING_HOLDER,
    "counting rewinding holder": policy.COUNTING_REWINDING_HOLDER,
    "counted rewound seat": policy.COUNTED_REWOUND_SEAT,
}
"""Those that trace, or are traced: what reaches out for that is in no other policy."""
PID = 4242


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


def says(rule: Rule, arguments: list[int]) -> str | int:
    """What a rule says of arguments, read without a filter."""
    match rule:
        case Allow():
            return ALLOW
        case Ask():
            raise AssertionError("no policy asks")
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
