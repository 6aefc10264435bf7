"""``python -m tests.stand_ins NAME PROGRAM …``: run a program on a machine that lacks something, by a filter of system
calls that answers as that machine would. Filters are inherited, so all that the program starts lacks it too."""

import errno
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.bpf import compile_filter
from runtime.sandbox.walls.policy import PAGEMAP_SCAN, UFFDIO_API
from runtime.sandbox.walls.rules import ALLOW, DENY, INVALID, UNKNOWN, Check, ErrnoAnswer, Rule, When
from runtime.sandbox.walls.seccomp import Filter
from runtime.sandbox.walls.syscalls import NUMBERS, require_architecture

_OTHERS: Final = {
    "_sysctl": 156, "acct": 163, "add_key": 248, "bpf": 321, "clock_settime": 227, "create_module": 174,
    "delete_module": 176, "fanotify_init": 300, "finit_module": 313, "fsconfig": 431, "fsmount": 432, "fsopen": 430,
    "fspick": 433, "get_kernel_syms": 177, "get_mempolicy": 239, "init_module": 175, "ioperm": 173, "iopl": 172,
    "kcmp": 312, "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "lookup_dcookie": 212, "mbind": 237,
    "migrate_pages": 256, "mount": 165, "mount_setattr": 442, "move_mount": 429, "move_pages": 279, "nfsservctl": 180,
    "open_by_handle_at": 304, "open_tree": 428, "perf_event_open": 298, "personality": 135, "pidfd_getfd": 438,
    "pivot_root": 155, "process_madvise": 440, "process_vm_readv": 310, "query_module": 178, "quotactl": 179,
    "quotactl_fd": 443, "reboot": 169, "request_key": 249, "set_mempolicy": 238, "set_mempolicy_home_node": 450,
    "setdomainname": 171, "sethostname": 170, "setns": 308, "settimeofday": 164, "socket": 41, "swapoff": 168,
    "swapon": 167, "sysfs": 139, "syslog": 103, "umount2": 166, "unshare": 272, "uselib": 134, "ustat": 136,
    "vhangup": 153,
}  # fmt: skip
"""Numbers for x86-64 of calls that no policy of ours names."""

_NEW_NAMESPACES: Final = 0x7E02_0000
_VSOCK: Final = 40
_ATTACH, _SEIZE = 16, 0x4206
_EVERY_CALL: Final = 1000

_BY_CONTAINERS: Final[Mapping[str, Rule]] = {
    **dict.fromkeys((name for name in _OTHERS if name not in ("personality", "process_vm_readv", "socket")), DENY),
    "userfaultfd": DENY,
    "clone": When((Check(0, (0,), mask=_NEW_NAMESPACES),)),
    "clone3": UNKNOWN,
    "personality": When((Check(0, (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)),)),
    "socket": When((Check(0, (_VSOCK,), negate=True),)),
}
"""What Docker refuses to a container with the capabilities that it gives by default (moby, profiles/seccomp)."""

_NO_TRACING: Final[Mapping[str, Rule]] = {
    "ptrace": When((Check(0, (_ATTACH, _SEIZE), negate=True),)),
    "process_vm_writev": DENY,
}


def _without(call: str, number: int) -> Mapping[str, Rule]:
    return {call: ErrnoAnswer(number)}


def _without_ioctl(request: int, answer: Rule) -> Mapping[str, Rule]:
    return {"ioctl": When((Check(1, (request,)),), then=answer, otherwise=ALLOW)}


@dataclass(frozen=True)
class StandIn:
    """``rules``: calls that are answered otherwise. ``newest``: the number from whose successor on no call exists."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
    newest: int = _EVERY_CALL

    def put_up(self) -> None:
        """Put the filter up around this process."""
        if os.geteuid() != 0:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)  # root goes without: the server has to set it itself
        architecture = require_architecture()
        known = {name: column[architecture.column] for name, column in NUMBERS.items()}
        rules = {number: rule for name, rule in self.rules.items() if (number := known.get(name, _OTHERS.get(name)))}
        Filter(compile_filter(rules, architecture.audit_number, self.newest, other=ALLOW)).put_up()


STAND_INS: Final = {
    "Yama 2": StandIn(_NO_TRACING),
    "Yama 3": StandIn(_NO_TRACING),
    "no ptrace": StandIn(_without("ptrace", errno.ENOSYS)),
    "no process_vm_writev": StandIn(_without("process_vm_writev", errno.EPERM)),
    "no userfaultfd": StandIn(_without("userfaultfd", errno.ENOSYS)),
    "userfaultfd forbidden": StandIn(_without("userfaultfd", errno.EPERM)),
    "Linux 6.1": StandIn({**_without_ioctl(UFFDIO_API, INVALID), **_without("mseal", errno.ENOSYS)}),
    "no PAGEMAP_SCAN": StandIn(_without_ioctl(PAGEMAP_SCAN, ErrnoAnswer(errno.ENOTTY))),
    "Linux 6.8": StandIn(_without("mseal", errno.ENOSYS)),
    "Docker": StandIn(_BY_CONTAINERS, newest=450),
    "Kubernetes": StandIn({**_BY_CONTAINERS, "process_vm_readv": DENY, "process_vm_writev": DENY}, newest=450),
}
"""Machines by what they are or lack. Yama forbids a process without CAP_SYS_PTRACE to trace any other (2), or forbids
it to all (3); a keeper has no capability, so it meets the same. Kubernetes: containerd's profile, ``RuntimeDefault``.
"""


if __name__ == "__main__":
    STAND_INS[sys.argv[1]].put_up()
    os.execvp(sys.argv[2], sys.argv[2:])
