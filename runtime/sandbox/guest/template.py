"""The template: a process that has the libraries and nothing else. Holders and jobs are forked from it.

The replica starts it by exec (``python -P -s -m runtime.sandbox.guest.template FD PID JSON``) in a scrubbed
environment. It has no secret, no connection and no Ray. It has one thread, because a child that is forked beside a
second one may hang.
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
"""Modules that are never importable below a replica. Arrow loads its clients of remote file systems if it finds them;
nothing here can reach a file system, and each fork would pay for the clients."""

DEVICE_MODULES: Final = ("cudf", "cupy")
"""Modules that are not importable without a device, because graphistry uses cuDF if it finds it."""


def main() -> NoReturn:
    """Import libraries, warm up, report that, and fork on demand until the control channel ends.

    Arguments: the control channel's descriptor, the parent's pid, and the options of ``TemplateProcess`` as JSON:
    ``walls``, ``door`` (descriptor by which it enters its control group), ``device`` (module of ``DeviceFrames``),
    ``imports`` (modules that the operator wants imported).
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    control = socket.socket(fileno=int(sys.argv[1]))
    parent_pid = int(sys.argv[2])
    options = json.loads(sys.argv[3])
    walls = Walls(**options["walls"])
    confine.die_with_parent(parent_pid)
    if options["door"] is not None:
        cgroup.enter(options["door"])
    if walls.namespaces:
        namespaces.enter()
    confine.hide_memory()  # not earlier, because an ordinary user could then not write their own uid_map
    confine.adopt_orphans()
    sys.modules.update(dict.fromkeys(BLOCKED_MODULES))  # type: ignore[arg-type]
    if options["device"] is None:
        sys.modules.update(dict.fromkeys(DEVICE_MODULES))  # type: ignore[arg-type]
    from runtime.sandbox.guest import cpus, heap, numba_cache, surroundings, task_imports, warmup

    warmup.warm_up()
    cpus.remember_libraries()
    numba_cache.watch_imports()
    threads = confine.Threads()
    try:
        task_imports.import_all(options["imports"], threads)
    except task_imports.ImportRefused as refused:
        send_packet(control, {"event": "import_refused", "module": refused.name, "reason": refused.reason[:1000]})
        raise SystemExit(str(refused)) from None
    frames = None if options["device"] is None else frames_of(options["device"])
    surroundings.remember_own_modules()
    gc.collect()
    heap.close_gaps()
    gc.freeze()
    if not threads.only_one():
        raise SystemExit("the template has more than one thread; a fork could hang")
    send_packet(control, {"event": "ready", "pid": os.getpid()})
    enclosure = Enclosure(walls, device=frames is not None)
    Forker(control, _becoming(enclosure, frames), threads, orphans=not walls.seccomp).serve()


def _becoming(enclosure: Enclosure, frames: DeviceFrames | None) -> Become:
    """Return the function that runs in each child. The ``kind`` of its packet says what it becomes."""

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
