"""The entry for 32-bit programs has other numbers: what is socket here is something else there.

{"outcome": ["crash", "ok"], "result": {"through": []}}
"""

import ctypes
import mmap


def task(g):
    # mov eax, 359 (socket on i386); mov ebx, 2; mov ecx, 1; xor edx, edx; int 0x80; ret
    code = bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3")
    page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
    page.write(code)
    made = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    return {"through": ["socket"] if made >= 0 else []}
