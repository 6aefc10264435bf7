"""``python -m tests.attacks.container UID PROGRAM …``: run a program as a container would, behind a filter that refuses
namespaces and mounts: as root with the capabilities that Docker leaves, as another user with none."""

import os
import sys
from typing import Final

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.bpf import compile_filter
from runtime.sandbox.walls.rules import ALLOW, DENY, UNKNOWN, Check, Rule, When
from runtime.sandbox.walls.seccomp import Filter
from runtime.sandbox.walls.syscalls import NUMBERS, this_architecture

CAPABILITIES: Final = (
    "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service", "net_raw",
    "sys_chroot", "mknod", "audit_write", "setfcap",
)  # fmt: skip
_NEW_NAMESPACES: Final = 0x7E02_0000 | 0x80
_REFUSED: Final = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
}  # fmt: skip
_NEWEST: Final = 1000


def main(uid: int, command: list[str]) -> None:
    """Does not return."""
    architecture = this_architecture()
    assert architecture is not None
    numbers = {name: column[architecture.column] for name, column in {**NUMBERS, **_REFUSED}.items()}
    rules: dict[str, Rule] = {**dict.fromkeys(_REFUSED, DENY), "clone3": UNKNOWN}
    rules["clone"] = When((Check(0, (0,), mask=_NEW_NAMESPACES),))
    numbered = {number: rule for name, rule in rules.items() if (number := numbers[name]) is not None}
    if os.geteuid() != 0:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)  # root goes without: the server has to set it itself
    Filter(compile_filter(numbered, architecture.audit_number, _NEWEST, other=ALLOW)).put_up()
    os.execvp(command[0], command) if uid == os.geteuid() != 0 else os.execvp("setpriv", _setpriv(uid, command))


def _setpriv(uid: int, command: list[str]) -> list[str]:
    kept = ",".join(["-all", *(f"+{name}" for name in CAPABILITIES if uid == 0)])
    ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
    return ["setpriv", *ids, "--inh-caps=-all", f"--bounding-set={kept}", *command]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
