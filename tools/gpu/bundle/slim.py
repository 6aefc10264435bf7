"""Make a CUDA library compress well: ``slim.py FILE --arch 90`` zeroes its code for every other kind of device.

A library carries code for each generation of devices in one section (``.nv_fatbin``), in containers of entries that
each have a header. The headers stay as they are. The payloads of entries for other generations become zeros, so the
file keeps its size and layout and loads as before. **This is for carrying tests to a machine without network, and for
nothing else.**
"""

import argparse
import mmap
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SECTION: Final = b".nv_fatbin"
_CONTAINER: Final = struct.Struct("<IHHQ")
_CONTAINER_MAGIC: Final = 0xBA55ED50
_ENTRY: Final = struct.Struct("<HHIQ")
_ARCH_AT: Final = 28
_CODE: Final = 2
"""The kind of an entry that is machine code; the other kind is text that the driver compiles."""

_ELF_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION_HEADER: Final = struct.Struct("<IIQQQQIIQQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``payload`` and ``size``: where its code lies in the file."""

    kind: int
    arch: int
    payload: int
    size: int


@dataclass(slots=True)
class Slimmed:
    """Counts of bytes. ``whole``: containers without code for the wanted generation, which are left alone."""

    kept: int = 0
    zeroed: int = 0
    whole: int = 0


def slim(path: Path, arch: int) -> Slimmed | None:
    """Slim a file in place.

    Return None if it has no such section. Raises ``ValueError`` for a file that is no 64-bit ELF.
    """
    done = Slimmed()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        place = _section(data)
        if place is None:
            return None
        for entries in _containers(data, *place):
            if not any(entry.kind == _CODE and entry.arch == arch for entry in entries):
                done.whole += 1
                done.kept += sum(entry.size for entry in entries)
                continue
            for entry in entries:
                if entry.kind == _CODE and entry.arch == arch:
                    done.kept += entry.size
                else:
                    data[entry.payload : entry.payload + entry.size] = bytes(entry.size)
                    done.zeroed += entry.size
        data.flush()
    return done


def _section(data: mmap.mmap) -> tuple[int, int] | None:
    """Return the section's offset and size."""
    if data[:5] != b"\x7fELF\x02":
        raise ValueError("not a 64-bit ELF file")
    header = _ELF_HEADER.unpack_from(data, 0)
    table, width, count, names_index = header[6], header[11], header[12], header[13]
    sections = [_SECTION_HEADER.unpack_from(data, table + number * width) for number in range(count)]
    if not sections:
        return None
    names = sections[names_index][4]
    for section in sections:
        start = names + section[0]
        if data[start : start + len(_SECTION) + 1] == _SECTION + b"\0":
            return section[4], section[5]
    return None


def _containers(data: mmap.mmap, start: int, size: int) -> Iterator[list[Entry]]:
    place, end = start, start + size
    while place <= end - _CONTAINER.size:
        magic, _, header_size, content_size = _CONTAINER.unpack_from(data, place)
        if magic != _CONTAINER_MAGIC:
            place += 8
            continue
        content = place + header_size
        yield list(_entries(data, content, content + content_size))
        place = content + content_size


def _entries(data: mmap.mmap, place: int, end: int) -> Iterator[Entry]:
    while place < end:
        kind, _, header_size, size = _ENTRY.unpack_from(data, place)
        (arch,) = struct.unpack_from("<I", data, place + _ARCH_AT)
        yield Entry(kind, arch, place + header_size, size)
        place += header_size + size


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--arch", type=int, default=90, help="the generation to keep: 90 is Hopper (H100, H200)")
    options = parser.parse_args()
    for path in options.files:
        try:
            done = slim(path, options.arch)
        except ValueError as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        if done is None:
            print(f"{path.name}: it has no {_SECTION.decode()}")
        else:
            mib = 1 << 20
            print(
                f"{path.name}: kept {done.kept / mib:.1f} MiB, zeroed {done.zeroed / mib:.1f} MiB, "
                f"left {done.whole} containers whole that have no code for {options.arch}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
