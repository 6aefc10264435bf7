"""A process without gaps in its heap has new objects beside each other."""

import subprocess
import sys

SCATTERED = """
import ctypes, gc, random
from runtime.sandbox.guest.heap import close_gaps
kept = [bytes(random.randrange(40, 2000)) for _ in range(50_000)]
del kept[::2]
gc.collect()
{}
new = [bytes(n) for n in range(100, 400)]
print(len({{id(one) >> 12 for one in new}}))
"""


def _pages_of_new_objects(before: str) -> int:
    environment = {"PYTHONMALLOC": "malloc", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SCATTERED.format(before)], capture_output=True, text=True, check=True, env=environment
    )
    return int(done.stdout)


def test_new_objects_lie_together_when_the_gaps_are_closed() -> None:
    together = 300 * 250 // 4096
    assert _pages_of_new_objects("assert close_gaps() > 1_000_000") <= 3 * together
    assert _pages_of_new_objects("") > 3 * together


GROWING = """
import ctypes
from runtime.sandbox.guest.heap import close_gaps, make_room
libc = ctypes.CDLL(None)
libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_long]
close_gaps()
make_room(1 << 20)
end = libc.sbrk(0)
kept = [bytes(1000) for _ in range(900)]
assert libc.sbrk(0) == end
"""


def test_a_heap_with_room_does_not_grow() -> None:
    environment = {"PYTHONMALLOC": "malloc", "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", GROWING], check=True, env=environment)
