"""Tasks that try to reach something in every way there is; each answers with the list of ways that went through."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tests.attacks.surroundings import Address

_TRY = """
import asyncio, ctypes, os, socket, urllib.request
through = []
def attempt(name, act):
    try:
        act()
    except BaseException as error:
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise
        return
    through.append(name)
libc = ctypes.CDLL(None, use_errno=True)
def positive(number):
    if number < 0:
        raise OSError(ctypes.get_errno(), "")
    return number
"""

_CONNECT = """
def task(g):
    for address in ADDRESSES:
        path = isinstance(address, str)
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        target = address if path else tuple(address)
        def by_socket(kind=socket.SOCK_STREAM):
            with socket.socket(family, kind) as s:
                s.settimeout(0.3)
                s.connect(target)
        attempt(f"socket {address}", by_socket)
        attempt(f"datagram {address}", lambda: by_socket(socket.SOCK_DGRAM))
        attempt(f"libc {address}", lambda: positive(libc.socket(int(family), 1, 0)))
        def by_pair():
            left, right = socket.socketpair()
            left.connect(target)
        attempt(f"pair {address}", by_pair)
        if not path:
            url = f"http://{'[' + target[0] + ']' if ':' in target[0] else target[0]}:{target[1]}/"
            attempt(f"create_connection {address}", lambda: socket.create_connection(target, 0.3))
            attempt(f"urllib {address}", lambda: urllib.request.urlopen(url, timeout=0.3))
            attempt(f"asyncio {address}", lambda: asyncio.run(asyncio.open_connection(*target)))
    return through
"""

_READ = """
import numpy, pandas, pyarrow, pyarrow.fs, shutil, sqlite3
def task(g):
    for path in PATHS:
        attempt(f"open {path}", lambda: open(path, "rb").read(1))
        attempt(f"write {path}", lambda: open(path, "r+b"))
        attempt(f"libc {path}", lambda: positive(libc.open(path.encode(), 0)))
        attempt(f"listdir {path}", lambda: os.listdir(path))
        attempt(f"copy {path}", lambda: shutil.copyfile(path, "copy"))
        attempt(f"link {path}", lambda: os.link(path, "link"))
        def by_symlink():
            os.symlink(path, "symlink")
            try:
                open("symlink", "rb").read(1)
            finally:
                os.unlink("symlink")
        attempt(f"symlink {path}", by_symlink)
        attempt(f"csv {path}", lambda: pandas.read_csv(path, encoding_errors="replace", on_bad_lines="skip"))
        attempt(f"arrow {path}", lambda: pyarrow.OSFile(path).read(1))
        attempt(f"arrow map {path}", lambda: pyarrow.memory_map(path).read(1))
        attempt(f"arrow fs {path}", lambda: pyarrow.fs.LocalFileSystem().open_input_file(path).read(1))
        attempt(f"numpy {path}", lambda: numpy.memmap(path, mode="r")[0])
        def by_sqlite():
            sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("pragma schema_version").fetchall()
        attempt(f"sqlite {path}", by_sqlite)
        attempt(f"rename {path}", lambda: os.rename(path, "renamed"))
        attempt(f"unlink {path}", lambda: os.unlink(path))
        attempt(f"truncate {path}", lambda: os.truncate(path, 0))
    return through
"""

_PROCESSES = """
def task(g):
    own = {str(os.getpid()), os.readlink("/proc/self")}  # two where /proc is that of the namespace outside
    pids = {str(pid) for pid in PIDS}
    attempt("listdir /proc", lambda: pids.update(name for name in os.listdir("/proc") if name.isdigit()))
    for pid in pids - own | {"1", str(os.getppid())}:
        for name in ("environ", "mem", "maps", "cmdline", "fd", "cwd", "root", "task"):
            path = f"/proc/{pid}/{name}"
            look = os.listdir if name in ("fd", "cwd", "root", "task") else lambda one: open(one, "rb").read(1)
            attempt(path, lambda: look(path))
    if NAME in os.environ:
        through.append("own environment")
    attempt("/proc/self/environ", lambda: open("/proc/self/environ").read())
    return through
"""

_OWN_MEMORY = """
import hashlib, re
def task(g):
    needles = {bytes.fromhex(head): (size, digest) for head, size, digest in NEEDLES}
    pattern = re.compile(b"|".join(map(re.escape, needles)))
    for line in open("/proc/self/maps").read().splitlines():
        span, rights, *rest = line.split()
        if "r" not in rights or rest[-1:] in (["[vvar]"], ["[vsyscall]"], ["[vvar_vclock]"]):
            continue
        start, end = (int(part, 16) for part in span.split("-"))
        try:
            view = (ctypes.c_char * (end - start)).from_address(start)
            for found in pattern.finditer(view):
                size, digest = needles[found.group()]
                if hashlib.sha256(view[found.end():found.end() + size]).hexdigest() == digest:
                    through.append(f"in {line}")
        except OSError:
            continue
    return through
"""


def connecting(addresses: Iterable[Address | str]) -> str:
    """To each of them, over TCP, datagrams, a socket's path."""
    return f"{_TRY}\nADDRESSES = {list(addresses)!r}\n{_CONNECT}"


def reading(paths: Iterable[str]) -> str:
    """Each of them, or anything else that changes or moves it."""
    return f"{_TRY}\nPATHS = {list(paths)!r}\n{_READ}"


def looking_at_processes(pids: Iterable[int], name: str) -> str:
    """What those have in ``/proc``, and whether the environment holds ``name``."""
    return f"{_TRY}\nPIDS = {list(pids)!r}\nNAME = {name!r}\n{_PROCESSES}"


def searching_memory(needles: Iterable[bytes]) -> str:
    """All memory of the run itself. So as not to find its own text, it has the beginning and a hash of the rest."""
    told = [(one[:8].hex(), len(one) - 8, hashlib.sha256(one[8:]).hexdigest()) for one in needles]
    return f"{_TRY}\nNEEDLES = {told!r}\n{_OWN_MEMORY}"
