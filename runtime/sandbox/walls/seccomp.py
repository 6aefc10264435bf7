"""Puts a system-call filter up: from then on this process, and whatever it forks, makes the calls that it allows."""

import ctypes
import os

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.bpf import Program, compile_filter
from runtime.sandbox.walls.policy import Policy
from runtime.sandbox.walls.syscalls import NEWEST_CALL, number_of, this_architecture

_MODE_FILTER = 2


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def prepare_filter(policy: Policy) -> Program:
    """The filter for a policy on this machine, ready to be put up many times. Raises ``OSError`` on a strange one."""
    architecture = this_architecture()
    if architecture is None:
        raise OSError("there is no table of system calls for this architecture")
    numbered = {number: rule for name, rule in policy.items() if (number := number_of(name, architecture)) is not None}
    return compile_filter(numbered, architecture.audit_number, NEWEST_CALL)


def put_up(program: Program) -> None:
    """Put it up for the calling thread, which must be the only one, and have no new privileges. Raises ``OSError``."""
    code = program.for_pid(os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_program = _FilterProgram(len(code) // 8, ctypes.addressof(buffer))
    kernel.prctl(kernel.PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(filter_program))
