"""Numbers of processes as this process's ``/proc`` has them, which may show another pid namespace."""

import os


class NoProcess(ValueError):
    """The descriptor is none of a process."""


def pid_of(pidfd: int) -> int:
    """Return the pid of a pidfd's process in the namespace of ``/proc``; -1 once it is reaped.

    Raises ``NoProcess``.
    """
    fd = os.open(f"/proc/self/fdinfo/{pidfd}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = os.read(fd, 1024).splitlines()
    finally:
        os.close(fd)
    pids = [int(line.split()[1]) for line in lines if line.startswith(b"Pid:")]
    if not pids:
        raise NoProcess
    return pids[0]


def proc_directory(pid: int) -> str:
    """Return the directory in ``/proc`` of a child, or of another process of this pid namespace."""
    pidfd = os.pidfd_open(pid)
    try:
        return f"/proc/{pid_of(pidfd)}"
    finally:
        os.close(pidfd)
