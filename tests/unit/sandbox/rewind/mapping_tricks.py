"""Tasks that change mappings of the baseline.

All of them are refused if mappings are sealed. If they are not, ``unfit`` tells what becomes of the seat.
"""

from tests.unit.sandbox.rewind.pollution import Pollution

_CALLS = """
import ctypes, os, resource
libc, address, size, number = ctypes.CDLL(None), ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
libc.munmap.argtypes, libc.mprotect.argtypes = [address, size], [address, size, number]
libc.mmap.argtypes, libc.mmap.restype = [address, size, number, number, number, ctypes.c_long], address

def task(g):
    lines = [line.split() for line in open("/proc/self/maps")]
    found = [line for line in lines if NAME in line[-1] and line[1] == PERMISSIONS][0]
    start, end = (int(text, 16) for text in found[0].split("-"))
"""


def _on(name: str, permissions: str, *lines: str) -> str:
    """A task that does something to the first mapping of that name, from ``start`` to ``end``."""
    calls = _CALLS.replace("NAME", repr(name)).replace("PERMISSIONS", repr(permissions))
    return calls + "".join(f"    {line}\n" for line in lines)


def _write(offset: int, protection: int) -> str:
    """Make it writable, write to it, and protect it as it was."""
    write = f"ctypes.memset(start + {offset}, 7, 9); libc.mprotect(start, end - start, {protection})"
    return f"if libc.mprotect(start, end - start, 3 | {protection}) == 0: {write}"


TRICKS: dict[str, Pollution] = {
    name: Pollution("mappings of the baseline", code, unfit)
    for name, code, unfit in (
        ("code unmapped", _on("libarrow", "r-xp", "libc.munmap(start, 4096)"), "mappings"),
        ("code changed", _on("libarrow", "r-xp", _write(0, 5)), "mappings"),
        ("code of the kernel's changed", _on("[vdso]", "r-xp", _write(4000, 5)), "mappings"),
        ("constants changed", _on("", "r--p", _write(99, 1)), "mappings"),
        (
            "code replaced by the same",
            _on(
                "libarrow", "r-xp", "file = os.open(found[-1], os.O_RDONLY)",
                "libc.mmap(start, end - start, 5, 0x12, file, int(found[2], 16)); os.close(file)",
            ),
            "mappings",
        ),
        ("data made constant", _on("libarrow", "rw-p", "libc.mprotect(start, 4096, 1)"), "mappings"),
        ("data replaced", _on("libarrow", "rw-p", "libc.mmap(end - 4096, 4096, 3, 0x32, -1, 0)"), "mappings"),
        ("heap replaced by the same", _on("[heap]", "rw-p", "libc.mmap(end - 4096, 4096, 3, 0x32, -1, 0)"), "mappings"),
        ("stack unmapped", _on("[stack]", "rw-p", "libc.munmap(start, 1 << 20)"), "mappings"),
        (
            "stack unmapped and grown again",
            _on(
                "[stack]", "rw-p", "_, hard = resource.getrlimit(resource.RLIMIT_STACK)",
                "if libc.munmap(start, 1 << 20) == 0 and hard != 65536: ctypes.memset(start + 9, 1, 1)",
            ),
            "mappings",
        ),
        (
            "protected and given free again",
            _on("libarrow", "rw-p", "libc.mprotect(start, 4096, 1) or libc.mprotect(start, 4096, 3)"),
            None,
        ),
    )
}  # fmt: skip
