"""Code made at run time asks the kernel by itself: no Python stands in between.

{"outcome": ["ok", "crash"], "result": {"through": []}}
"""

import ctypes
import mmap


def task(g):
    libc = ctypes.CDLL(None, use_errno=True)
    code = bytes.fromhex("4889f84889f74889d64889ca4d89c24d89c84c8b4c24080f05c3")  # the C library's syscall(), by hand
    page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    call = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 7)(address)
    through = []
    for name, arguments in {
        "socket": (41, 2, 1, 0),
        "socket unix": (41, 1, 2, 0),
        "fork": (57,),
        "vfork": (58,),
        "ptrace": (101, 16, 1),
        "kill": (62, 1, 0),
        "memfd": (319, 0, 0),
        "unshare": (272, 0x10000000),
        "io_uring": (425, 1, 0),
        "bpf": (321, 0, 0, 0),
        "userfaultfd": (323, 0),
        "keyctl": (250, 0, 0),
        "process_vm_readv": (310, 1, 0, 0),
        "mount": (165, 0, 0, 0),
        "pidfd_open": (434, 1, 0),
        "clone": (56, 17, 0),
        "clone ns": (56, 0x10000000 | 17, 0),
        "setns": (308, 0, 0),
        "shmget": (29, 0, 4096, 0o1777),
        "mq_open": (240, 0, 0o102),
        "perf": (298, 0, 0),
        "x32 socket": (0x40000029, 2, 1, 0),
        "seccomp": (317, 1, 0, 0),
        "landlock": (446, 0, 0),
        "prctl dumpable": (157, 4, 1),
        "prctl pdeathsig": (157, 1, 0),
        "name_to_handle": (303, -100, 0),
        "execve": (59, 0, 0, 0),
        "personality": (135, 0x40000),
        "iopl": (172, 3),
        "sched_setscheduler": (144, 1, 0),
        "prlimit other": (302, 1, 7, 0, 0),
        "setpriority other": (141, 0, 1, 10),
    }.items():
        padded = [*arguments, *[0] * (7 - len(arguments))]
        if call(*padded) >= 0:
            through.append(name)
    del libc
    return {"through": through}
