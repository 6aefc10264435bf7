"""Trials of what every run relies on, whatever the setting ``isolation``: without it, no run starts."""

import errno
import fcntl
import mmap
import os
import resource
import select
import signal
import tempfile
from collections.abc import Callable
from typing import Final

from runtime.sandbox.walls.kernel import PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, prctl
from runtime.sandbox.walls.trial import Found, NotForbidden, refused


def _no_new_privs() -> Found:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if prctl(PR_GET_NO_NEW_PRIVS) != 1:
        raise NotForbidden("not in force after it was set")
    return Found(True, "in force once set")


def _rlimits() -> Found:
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    refused((errno.EMFILE,), "one more open file", lambda: [os.dup(0) for _ in range(32)])
    os.closerange(8, 16)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
    file = os.memfd_create("size")
    os.write(file, b"1")
    refused((errno.EFBIG,), "a larger file", lambda: os.write(file, b"2"))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    refused((errno.ENOMEM,), "more memory", lambda: mmap.mmap(-1, 2 << 30))
    return Found(True, "memory, file size, open files refused at their limits")


def _closed_descriptors() -> Found:
    descriptor = fcntl.fcntl(0, fcntl.F_DUPFD, 100)
    os.closerange(descriptor, descriptor + 100)
    refused((errno.EBADF,), "a closed descriptor", lambda: os.fstat(descriptor))
    return Found(True, "closed in one call")


def _scratch() -> Found:
    with tempfile.TemporaryDirectory(prefix="graphside-probe-") as folder:
        mode = os.stat(folder).st_mode & 0o777
    if mode != 0o700:
        raise NotForbidden(f"a private directory has mode {mode:o}")
    return Found(True, "private directories can be made")


def _priority() -> Found:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if os.nice(5) <= before < 19:
        raise NotForbidden("the priority did not change")
    return Found(True, "can be lowered")


def _parent_death() -> Found:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return Found(True, "a process can be bound to its parent's life")


def _pidfd() -> Found:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    handle = os.pidfd_open(child)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    watch = select.poll()
    watch.register(handle, select.POLLIN)
    seen = watch.poll(2000)
    os.waitpid(child, 0)
    if not seen:
        raise NotForbidden("the end of a process did not show")
    return Found(True, "a process can be killed and awaited by handle")


def _memfd_sealing() -> Found:
    file = os.memfd_create("seal", os.MFD_ALLOW_SEALING)
    os.write(file, b"x")
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    refused((errno.EPERM,), "a write to a sealed file", lambda: os.write(file, b"y"))
    return Found(True, "memory files can be sealed")


BASICS: Final[dict[str, Callable[[], Found]]] = {
    "no_new_privs": _no_new_privs,
    "rlimits": _rlimits,
    "closed_descriptors": _closed_descriptors,
    "scratch": _scratch,
    "priority": _priority,
    "parent_death": _parent_death,
    "pidfd": _pidfd,
    "memfd_sealing": _memfd_sealing,
}
