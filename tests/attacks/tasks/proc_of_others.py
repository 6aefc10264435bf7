"""What /proc tells of others, and of oneself.

{"outcome": ["ok"], "result": {"read": []}}
"""

import os


def task(g):
    read = []
    for pid in ("@@SERVER_PID@@", "1", str(os.getppid())):
        for name in (
            "environ",
            "mem",
            "maps",
            "cmdline",
            "status",
            "fd",
            "root/etc/passwd",
            "cwd",
            "task",
            "net/tcp",
            "mountinfo",
        ):
            path = f"/proc/{pid}/{name}"
            try:
                os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
                read.append(path)
            except OSError:
                continue
    for path in (
        "/proc/self/environ",
        "/proc/self/mem",
        "/proc/self/fd",
        "/proc/self/mountinfo",
        "/proc/net/tcp",
        "/proc/self/root/etc",
    ):
        try:
            os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
            read.append(path)
        except OSError:
            continue
    return {"read": read}
