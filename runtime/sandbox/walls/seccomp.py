"""Puts up system-call filters. From then on the process and its children can only make the calls that they allow."""

import ctypes
import os
from typing import Any

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.bpf import Program, compile_filter
from runtime.sandbox.walls.policy import Policy
from runtime.sandbox.walls.syscalls import NEWEST_CALL, number_of, require_architecture

_MODE_FILTER = 2


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """A program in the kernel's format, ready to be put up in many processes."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._code = ctypes.create_string_buffer(program.code, len(program.code))
        self._argument = _FilterProgram(len(program.code) // 8, ctypes.addressof(self._code))
        self._address = ctypes.addressof(self._argument)

    @property
    def argument(self) -> Any:
        """The program as an argument of the system call ``seccomp``. Keep the filter until the call is over."""
        return ctypes.byref(self._argument)

    def put_up(self) -> None:
        """Put the filter up around the calling thread. It must be the only one, and must have no new privileges.

        Raises ``OSError``.
        """
        self._program.set_pid(self._code, os.getpid())
        kernel.prctl(kernel.PR_SET_SECCOMP, _MODE_FILTER, self._address)


def prepare_filter(policy: Policy) -> Filter:
    """Compile a policy for this machine. Raises ``OSError`` if its architecture is unknown."""
    architecture = require_architecture()
    numbered = {number: rule for name, rule in policy.items() if (number := number_of(name, architecture)) is not None}
    return Filter(compile_filter(numbered, architecture.audit_number, NEWEST_CALL))
