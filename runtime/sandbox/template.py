"""The template: a process that has the libraries and nothing else. Holders and parsers are forked from it.

Started by exec from the replica (``python -P -s -m runtime.sandbox.template FD``) in a scrubbed environment: it holds
no secret, no connection and no Ray, and it has one thread, since a fork beside a second one may hang in the child.
"""

import gc
import json
import logging
import os
import socket
import sys
from typing import Final, NoReturn

from runtime.sandbox import confine
from runtime.sandbox.forker import Forker
from runtime.sandbox.protocol import Message, send_packet
from runtime.sandbox.walls import cgroup, namespaces
from runtime.sandbox.walls.enclosure import Enclosure, Walls

log = logging.getLogger("graphside.template")

BLOCKED_MODULES: Final = (
    *("cudf", "cupy", "ray"),
    *(f"pyarrow.{name}" for name in ("_azurefs", "_gcsfs", "_hdfs", "_s3fs")),
)
"""Never importable below a CPU replica. Graphistry imports cuDF wherever it finds it, and then prefers it; Arrow loads
its clients of remote file systems wherever they are, which nobody here can reach, and each fork would pay for them."""


def main() -> NoReturn:
    """Import, warm up, say so, fork on demand until the control channel ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    control = socket.socket(fileno=int(sys.argv[1]))
    parent_pid = int(sys.argv[2])
    walls = Walls(**json.loads(sys.argv[3]))
    confine.die_with_parent(parent_pid)
    if len(sys.argv) > 4:
        cgroup.enter(int(sys.argv[4]))
    if walls.namespaces:
        namespaces.enter()
    confine.hide_memory()  # not before: an ordinary user could not write his own uid_map any more
    confine.adopt_orphans()
    sys.modules.update(dict.fromkeys(BLOCKED_MODULES))  # type: ignore[arg-type]
    from runtime.sandbox import holder, interior, job, warmup

    warmup.warm_up()
    interior.remember_own_modules()
    gc.collect()
    gc.freeze()
    threads = confine.Threads()
    if not threads.only_one():
        raise SystemExit("the template has more than one thread; a fork could hang")
    send_packet(control, {"event": "ready", "pid": os.getpid()})
    enclosure = Enclosure(walls)

    def become(message: Message, fds: list[int], parent_pid: int) -> NoReturn:
        match message["kind"]:
            case "holder":
                holder.main([0, 1, 2, *fds], message, enclosure, parent_pid=parent_pid)
            case "job":
                job.main([0, 1, 2, *fds], message, enclosure, parent_pid=parent_pid)
        raise ValueError(f"unknown kind of child {message['kind']!r}")

    Forker(control, become, threads, orphans=not walls.seccomp).serve()


if __name__ == "__main__":
    main()
