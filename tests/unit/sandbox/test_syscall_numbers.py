"""The numbers of system calls are those of the kernel."""

import re
from pathlib import Path

import pytest

from runtime.sandbox.walls.syscalls import ARCHITECTURES, NEWEST_CALL, NUMBERS, number_of
from tests.unit.sandbox.filters import OF_REWINDING, POLICIES

HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h", "/usr/aarch64-linux-gnu/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_numbers_are_the_kernels_own(machine: str) -> None:
    header = next((path for path in HEADERS[machine] if Path(path).is_file()), None)
    if header is None:
        pytest.skip(f"the kernel's headers for {machine} are not installed")
    theirs = _numbers_of(Path(header).read_text(encoding="ascii"))
    assert len(theirs) > 250
    ours = {name: number for name in NUMBERS if (number := number_of(name, ARCHITECTURES[machine])) is not None}
    known = {name: number for name, number in ours.items() if number <= max(theirs.values())}
    assert {name: theirs.get(name) for name in known} == known
    assert {name for name in NUMBERS if name in theirs} - ours.keys() == set()


def _numbers_of(text: str) -> dict[str, int]:
    """Of a header; the generic one gives some names through a 64-bit alias (``__NR3264_fcntl``)."""
    found: dict[str, int] = {}
    for name, value in re.findall(r"^#define __NR(?:3264)?_(\w+) (\d+)$", text, re.MULTILINE):
        found.setdefault(name, int(value))
    renamed = re.findall(r"^#define __NR_(\w+) __NR3264_(\w+)$", text, re.MULTILINE)
    found |= {name: found[old] for name, old in renamed if old in found and name not in found}
    return found


def test_every_name_of_a_policy_is_in_the_table_and_no_number_twice() -> None:
    assert set().union(*POLICIES.values(), *OF_REWINDING.values()) <= set(NUMBERS)
    for architecture in ARCHITECTURES.values():
        numbers = [number for name in NUMBERS if (number := number_of(name, architecture)) is not None]
        assert len(numbers) == len(set(numbers))
        assert max(numbers) <= NEWEST_CALL
