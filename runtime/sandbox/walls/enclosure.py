"""Puts up the walls around each kind of process, in the order in which later walls rely on earlier ones.

``Walls`` says which walls work on this machine. The replica finds out by trying (``probe.py``) and passes it down as
data. ``Enclosure`` has the compiled filters. The template makes it once; holders, seats and jobs inherit it.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any, Final

from runtime.sandbox.walls import identity, landlock, policy
from runtime.sandbox.walls.rewind import RewindMode
from runtime.sandbox.walls.rules import DENY
from runtime.sandbox.walls.seccomp import prepare_filter
from runtime.sandbox.walls.watches import Watches


@dataclass(frozen=True, slots=True)
class Walls:
    """The walls that work on a machine. ``landlock``: its version, 0 for none. The replica makes the ``cgroup``.

    ``rewind``: no wall, but how seats can be rewound behind these.
    """

    landlock: int = 0
    seccomp: bool = False
    namespaces: bool = False
    throwaway_users: bool = False
    cgroup: bool = False
    rewind: RewindMode = ""

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    def new_uid(self) -> int | None:
        """Return the user of a new process, whom no other process has; None if processes run as the server's user."""
        return identity.new_uid() if self.throwaway_users else None


NONE: Final = Walls()


class Enclosure:
    """Puts walls up around the calling process, which must have one thread and no new privileges."""

    def __init__(self, walls: Walls, *, device: bool = False) -> None:
        """``device``: whether seats and jobs use an NVIDIA device."""
        self.walls = walls
        libraries = [(path, landlock.READ) for path in landlock.library_paths()]
        machine = [(path, landlock.READ) for path in (*landlock.MACHINE_PATHS, *landlock.group_limit_paths())]
        # A holder may read all of /proc, because its seats inherit that and each opens its own files there. Landlock
        # itself keeps the holder from the memory, the environment and the files of other processes.
        around_holder = [*libraries, *machine, ("/proc", landlock.READ), *landlock.DEVICES.items()]
        oneself = [(f"/proc/self/{name}", landlock.READ) for name in landlock.OWN_FILES]
        around_seat = [*libraries, *machine, *oneself, *landlock.DEVICES.items()]
        if device:
            around_seat += landlock.device_paths()
        self._files_of_holder = landlock.Ruleset(walls.landlock, around_holder)
        self._files_of_seat = landlock.Ruleset(walls.landlock, around_seat)
        if walls.seccomp:
            self._holder, self._counting_holder, self._seat, self._counted_seat, self._job = (
                prepare_filter(self._complete(one))
                for one in (
                    policy.HOLDER,
                    policy.COUNTING_HOLDER,
                    policy.DEVICE_SEAT if device else policy.SEAT,
                    policy.COUNTED_SEAT,
                    policy.DEVICE_LOADER if device else policy.JOB,
                )
            )
            if walls.rewind:
                self._holder, self._counting_holder = (
                    prepare_filter(self._complete(one))
                    for one in (policy.REWINDING_HOLDER, policy.COUNTING_REWINDING_HOLDER)
                )
                self._rewound_seat, self._counted_rewound_seat = (
                    prepare_filter(self._complete(one)) for one in (policy.REWOUND_SEAT, policy.COUNTED_REWOUND_SEAT)
                )
                self._keeper = prepare_filter(policy.KEEPER)
        self.watches: Watches | None = None
        """Set in a holder that counts the watches of its seats."""

    def holder(self, scratch_root: int) -> None:
        """Put walls up around a holder. ``scratch_root``: descriptor of the directory of all scratch directories."""
        if os.geteuid() == 0:
            identity.drop_capabilities(identity.SWITCHING_USERS if self.walls.throwaway_users else ())
        else:
            identity.drop_capabilities()
        if self.walls.landlock:
            self._files_of_holder.put_up([(scratch_root, landlock.WORK)])
        if self.walls.seccomp:
            self.watches = Watches.put_up()
            (self._holder if self.watches is None else self._counting_holder).put_up()

    def seat(self, scratch: int) -> None:
        """Put walls up around a seat, which has changed its user already. ``scratch``: descriptor of its directory."""
        self._around_files(scratch)
        if self.walls.seccomp:
            (self._seat if self.watches is None else self._counted_seat).put_up()

    def rewound_seat_files(self, scratch: int) -> None:
        """Put up what keeps files from a seat that is rewound after each run."""
        self._around_files(scratch)

    def rewound_seat_calls(self) -> None:
        """Put up its filter, which forbids what it needs to have its writes noted."""
        (self._rewound_seat if self.watches is None else self._counted_rewound_seat).put_up()

    def keeper(self) -> None:
        """Put the last wall up around a keeper, which has forked its seat and wears its holder's walls."""
        self._keeper.put_up()

    def job(self) -> None:
        """Put walls up around a job, which uses its descriptors and opens only libraries."""
        identity.drop_capabilities()
        if self.walls.landlock:
            self._files_of_seat.put_up()
        if self.walls.seccomp:
            self._job.put_up()

    def _around_files(self, scratch: int) -> None:
        if self.walls.throwaway_users:  # otherwise its holder has dropped all of them
            identity.drop_capabilities()
        if self.walls.landlock:
            self._files_of_seat.put_up([(scratch, landlock.WORK)])

    def _complete(self, rules: policy.Policy) -> policy.Policy:
        """Have the filter refuse what Landlock of an older kernel cannot refuse."""

        if landlock.guards_truncation(self.walls.landlock):
            return rules
        return {name: DENY if name == "truncate" else rule for name, rule in rules.items()}
