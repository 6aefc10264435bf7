"""The walls around each kind of process, in the order in which they go up, each of which the next ones rely on.

``Walls`` is what stands on this machine, found out by trying (``probe.py``) and handed down as data. ``Enclosure`` has
the filters compiled and is made once, in the template; holders, seats and jobs are forked with it.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any, Final

from runtime.sandbox.walls import identity, landlock, policy
from runtime.sandbox.walls.rules import DENY
from runtime.sandbox.walls.seccomp import prepare_filter


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


class Enclosure:
    """Puts walls up around the calling process, which must have one thread and no new privileges."""

    def __init__(self, walls: Walls, *, device: bool = False) -> None:
        """``device``: whether seats and jobs use an NVIDIA device."""
        self.walls = walls
        libraries = [(path, landlock.READ) for path in landlock.library_paths()]
        machine = [(path, landlock.READ) for path in landlock.OF_THE_MACHINE]
        # All of /proc for a holder, for its seats' sake, who each open their own of it. Landlock itself keeps it from
        # the memory, the environment and the files of others.
        around_holder = [*libraries, *machine, ("/proc", landlock.READ), *landlock.DEVICES.items()]
        oneself = [(f"/proc/self/{name}", landlock.READ) for name in landlock.OF_ONESELF]
        around_seat = [*libraries, *machine, *oneself, *landlock.DEVICES.items()]
        if device:
            around_seat += landlock.device_paths()
        self._files_of_holder = landlock.Ruleset(walls.landlock, around_holder)
        self._files_of_seat = landlock.Ruleset(walls.landlock, around_seat)
        if walls.seccomp:
            self._holder, self._seat, self._job = (
                prepare_filter(self._complete(one))
                for one in (
                    policy.HOLDER,
                    policy.DEVICE_SEAT if device else policy.SEAT,
                    policy.DEVICE_LOADER if device else policy.JOB,
                )
            )

    def holder(self, scratch_root: int) -> None:
        """Around a holder. ``scratch_root``: descriptor of the directory that has all scratch directories."""
        if os.geteuid() == 0:
            identity.drop_capabilities(identity.SWITCHING_USERS if self.walls.throwaway_users else ())
        else:
            identity.drop_capabilities()
        if self.walls.landlock:
            self._files_of_holder.put_up([(scratch_root, landlock.WORK)])
        if self.walls.seccomp:
            self._holder.put_up()

    def seat(self, scratch: int) -> None:
        """Around a seat, which is its own user by now where it can be. ``scratch``: its directory."""
        if self.walls.throwaway_users:  # else its holder has none left
            identity.drop_capabilities()
        if self.walls.landlock:
            self._files_of_seat.put_up([(scratch, landlock.WORK)])
        if self.walls.seccomp:
            self._seat.put_up()

    def job(self) -> None:
        """Around a parser of uploads: it has its descriptors and opens nothing but libraries."""
        identity.drop_capabilities()
        if self.walls.landlock:
            self._files_of_seat.put_up()
        if self.walls.seccomp:
            self._job.put_up()

    def _complete(self, rules: policy.Policy) -> policy.Policy:
        """What Landlock of an older kernel leaves open, the filter closes."""
        if landlock.guards_truncation(self.walls.landlock):
            return rules
        return {name: DENY if name == "truncate" else rule for name, rule in rules.items()}
