"""The walls around each kind of process, in the order in which they go up, each of which the next ones rely on.

``Walls`` is what stands on this machine, found out by trying (``probe.py``) and handed down as data. ``Enclosure`` has
the filters compiled and is made once, in the template; holders, seats and jobs are forked with it.
"""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from runtime.sandbox.walls import identity, landlock, policy
from runtime.sandbox.walls.rules import DENY
from runtime.sandbox.walls.seccomp import prepare_filter, put_up


@dataclass(frozen=True, slots=True)
class Walls:
    """``landlock``: its version, 0 for none. ``cgroup``: whether there can be a group; the replica makes it."""

    landlock: int = 0
    seccomp: bool = False
    namespaces: bool = False
    throwaway_users: bool = False
    cgroup: bool = False

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)


NONE: Final = Walls()

_OWN_AND_THE_MACHINES: Final = (*(f"/proc/self/{name}" for name in landlock.OF_ONESELF), *landlock.OF_THE_MACHINE)
"""Facts that libraries ask for: of this process alone, and of the machine."""


class Enclosure:
    """Puts walls up around the calling process, which must have one thread and no new privileges."""

    def __init__(self, walls: Walls) -> None:
        self.walls = walls
        self._library_paths = landlock.library_paths()
        if walls.seccomp:
            self._holder, self._seat, self._job = (
                prepare_filter(self._complete(one)) for one in (policy.HOLDER, policy.SEAT, policy.JOB)
            )

    def holder(self, scratch_root: int) -> None:
        """Around a holder. ``scratch_root``: descriptor of the directory that has all scratch directories."""
        if os.geteuid() == 0:
            identity.drop_capabilities(identity.SWITCHING_USERS if self.walls.throwaway_users else ())
        else:
            identity.drop_capabilities()
        # All of /proc, for its seats' sake, who each open their own of it. Landlock itself keeps this process from the
        # memory, the environment and the files of others.
        self._restrict([(scratch_root, landlock.WORK)], ("/proc", *landlock.OF_THE_MACHINE))
        if self.walls.seccomp:
            put_up(self._holder)

    def seat(self, scratch: int) -> None:
        """Around a seat, which is its own user by now where it can be. ``scratch``: its directory."""
        identity.drop_capabilities()
        self._restrict([(scratch, landlock.WORK)], _OWN_AND_THE_MACHINES)
        if self.walls.seccomp:
            put_up(self._seat)

    def job(self) -> None:
        """Around a parser of uploads: it has its descriptors and opens nothing but libraries."""
        identity.drop_capabilities()
        self._restrict([], _OWN_AND_THE_MACHINES)
        if self.walls.seccomp:
            put_up(self._job)

    def _complete(self, rules: policy.Policy) -> policy.Policy:
        """What Landlock of an older kernel leaves open, the filter closes."""
        if landlock.guards_truncation(self.walls.landlock):
            return rules
        return {name: DENY if name == "truncate" else rule for name, rule in rules.items()}

    def _restrict(self, rules: list[tuple[int, int]], readable_paths: Iterable[str]) -> None:
        if not self.walls.landlock:
            return
        libraries = landlock.open_paths((*self._library_paths, *readable_paths))
        devices = [(fd, rights) for path, rights in landlock.DEVICES.items() for fd in landlock.open_paths([path])]
        try:
            readable = [(fd, landlock.READ) for fd in libraries]
            landlock.restrict(self.walls.landlock, [*rules, *readable, *devices])
        finally:
            for fd in (*libraries, *(fd for fd, _ in devices)):
                os.close(fd)
