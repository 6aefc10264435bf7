"""``python -m tests.attacks.absence.weakened … FILE``: the template, whose holders leave out the walls that FILE names.

Each holder reads the file anew before its walls go up, so that one template serves all that is tried.
"""

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

from runtime.sandbox.guest import confine, template
from runtime.sandbox.guest.merge_mappings import Merge
from runtime.sandbox.protocol import Message
from runtime.sandbox.walls import identity, kernel
from runtime.sandbox.walls.enclosure import Enclosure, Walls


def _without_limit(left_out: int) -> Callable[[], None]:
    def patch() -> None:
        put = confine.limit

        def limit(which: int, soft: int, hard: int | None = None) -> None:
            if which != left_out:
                put(which, soft, hard)

        confine.limit = limit

    return patch


def _keep_descriptors() -> None:
    def take_fds(fds: list[int]) -> None:
        top = max([*fds, len(fds)]) + 1
        for offset, fd in enumerate(fds):
            os.dup2(fd, top + offset)
        for target in range(len(fds)):
            os.dup2(top + target, target)

    confine.take_fds = take_fds


def _allow_new_privileges() -> None:
    prctl = kernel.prctl

    def without(option: int, value: int = 0, third: int = 0) -> int:
        return 0 if option == kernel.PR_SET_NO_NEW_PRIVS else prctl(option, value, third)

    kernel.prctl = without


def _keep_capabilities() -> None:
    def drop_capabilities(kept: tuple[int, ...] = ()) -> None:
        return

    identity.drop_capabilities = drop_capabilities


def _be_readable() -> None:
    confine.hide_memory = confine.show_files
    confine.show_files()


def _keep_priority() -> None:
    os.nice = lambda _: 0


def _keep_own_modules() -> None:
    from runtime.sandbox.guest import surroundings

    surroundings._own_modules.clear()
    setattr(surroundings, "OWN_PACKAGES", frozenset())  # noqa: B010  (a constant to everybody else)


def _keep_random_state() -> None:
    from runtime.sandbox.guest import surroundings

    setattr(surroundings, "reseed", lambda: None)  # noqa: B010  (a constant to everybody else)


ABSENT: Final[dict[str, Callable[[], None]]] = {
    "address space": _without_limit(resource.RLIMIT_AS),
    "core files": _without_limit(resource.RLIMIT_CORE),
    "cpu time": _without_limit(resource.RLIMIT_CPU),
    "file size": _without_limit(resource.RLIMIT_FSIZE),
    "locked memory": _without_limit(resource.RLIMIT_MEMLOCK),
    "message queues": _without_limit(resource.RLIMIT_MSGQUEUE),
    "open files": _without_limit(resource.RLIMIT_NOFILE),
    "processes of the user": _without_limit(resource.RLIMIT_NPROC),
    "waiting signals": _without_limit(resource.RLIMIT_SIGPENDING),
    "closed descriptors": _keep_descriptors,
    "no_new_privs": _allow_new_privileges,
    "dropped capabilities": _keep_capabilities,
    "hidden memory": _be_readable,
    "lower priority": _keep_priority,
    "hidden modules": _keep_own_modules,
    "fresh random state": _keep_random_state,
}
"""What is left out below the replica, by the name that the table has for it."""


def main() -> NoReturn:
    """The template's own ``main``, with another holder."""
    from runtime.sandbox.guest import holder

    path = Path(sys.argv.pop())
    be_holder = holder.main

    def weak_holder(
        fds: list[int], message: Message, enclosure: Enclosure, merges: list[Merge], *, parent_pid: int
    ) -> NoReturn:
        told: dict[str, Any] = json.loads(path.read_text())
        for name in told["absent"]:
            ABSENT[name]()
        be_holder(fds, message, Enclosure(Walls(**told["walls"])), merges, parent_pid=parent_pid)

    setattr(holder, "main", weak_holder)  # noqa: B010
    template.main()


if __name__ == "__main__":
    main()
