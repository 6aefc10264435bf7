"""The template: a process that has the libraries and nothing else. Holders and parsers are forked from it.

Started by exec from the replica (``python -P -s -m runtime.sandbox.guest.template FD``) in a scrubbed environment. It
holds no secret, no connection and no Ray, and it has one thread: a fork beside a second one may hang in the child.
"""

import gc
import json
import logging
import os
import socket
import sys
from typing import Final, NoReturn

from runtime.sandbox.device_frames import DeviceFrames, frames_of
from runtime.sandbox.guest import confine
from runtime.sandbox.guest.forker import Become, Forker
from runtime.sandbox.protocol import Message, send_packet
from runtime.sandbox.walls import cgroup, namespaces
from runtime.sandbox.walls.enclosure import Enclosure, Walls

log = logging.getLogger("graphside.template")

BLOCKED_MODULES: Final = ("ray", *(f"pyarrow.{name}" for name in ("_azurefs", "_gcsfs", "_hdfs", "_s3fs")))
"""Never importable below a replica. Arrow loads its clients of remote file systems wherever they are, which nobody here
can reach, and each fork would pay for them."""

OF_A_DEVICE: Final = ("cudf", "cupy")
"""Nor these where there is none: graphistry imports cuDF wherever it finds it, and then prefers it."""


def main() -> NoReturn:
    """Import, warm up, say so, fork on demand until the control channel ends.

    Arguments: the control channel's descriptor, the parent's pid, JSON of ``TemplateProcess``: ``walls``, ``door``,
    ``device``.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    control = socket.socket(fileno=int(sys.argv[1]))
    parent_pid = int(sys.argv[2])
    told = json.loads(sys.argv[3])
    walls = Walls(**told["walls"])
    confine.die_with_parent(parent_pid)
    if told["door"] is not None:
        cgroup.enter(told["door"])
    if walls.namespaces:
        namespaces.enter()
    confine.hide_memory()  # not before: an ordinary user could not write his own uid_map any more
    confine.adopt_orphans()
    sys.modules.update(dict.fromkeys(BLOCKED_MODULES))  # type: ignore[arg-type]
    if told["device"] is None:
        sys.modules.update(dict.fromkeys(OF_A_DEVICE))  # type: ignore[arg-type]
    from runtime.sandbox.guest import surroundings, warmup

    warmup.warm_up()
    frames = None if told["device"] is None else frames_of(told["device"])
    surroundings.remember_own_modules()
    gc.collect()
    gc.freeze()
    threads = confine.Threads()
    if not threads.only_one():
        raise SystemExit("the template has more than one thread; a fork could hang")
    send_packet(control, {"event": "ready", "pid": os.getpid()})
    enclosure = Enclosure(walls, device=frames is not None)
    Forker(control, _becoming(enclosure, frames), threads, orphans=not walls.seccomp).serve()


def _becoming(enclosure: Enclosure, frames: DeviceFrames | None) -> Become:
    """What children become, by their packet's ``kind``."""
    from runtime.sandbox.guest import holder, merge_mappings, parse_job
    from runtime.sandbox.guest.device import loader as device_loader
    from runtime.sandbox.guest.device import seat as device_seat

    merges = merge_mappings.find_merges()

    def become(message: Message, fds: list[int], parent_pid: int) -> NoReturn:
        fds = [0, *fds] if message["kind"] == "device_seat" else [0, 1, 2, *fds]
        match message["kind"]:
            case "holder":
                holder.main(fds, message, enclosure, merges, parent_pid=parent_pid)
            case "job":
                parse_job.main(fds, message, enclosure, parent_pid=parent_pid)
            case "device_seat" if frames is not None:
                device_seat.be_seat(fds, message, enclosure, frames, parent_pid=parent_pid)
            case "device_loader" if frames is not None:
                device_loader.be_loader(fds, message, enclosure, frames, parent_pid=parent_pid)
            case "device_imager" if frames is not None:
                device_loader.be_imager(fds, message, enclosure, frames, parent_pid=parent_pid)
        raise ValueError(f"unknown kind of child {message['kind']!r}")

    return become


if __name__ == "__main__":
    main()
