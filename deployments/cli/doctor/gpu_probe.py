"""Asks the NVIDIA driver for its devices, and prints JSON. Run by path in a process of its own: drivers can crash.

That a library can be imported says nothing about a GPU; this makes real calls of the driver, and no context. Standard
library only.
"""

import ctypes
import json
import sys


class DriverError(Exception):
    """A call of the driver failed."""


def devices() -> dict[str, object]:
    """``devices`` (``name``, ``memory_bytes``) and ``cuda``, the newest version that the driver speaks."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return {"devices": [], "reason": "no NVIDIA driver"}
    version, count = ctypes.c_int(), ctypes.c_int()
    try:
        _call(driver, "cuInit", 0)
        _call(driver, "cuDriverGetVersion", ctypes.byref(version))
        _call(driver, "cuDeviceGetCount", ctypes.byref(count))
        found = [_device(driver, number) for number in range(count.value)]
    except DriverError as error:
        return {"devices": [], "reason": f"the NVIDIA driver is there, and {error}"}
    return {"devices": found, "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}"}


def _device(driver: ctypes.CDLL, number: int) -> dict[str, object]:
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    _call(driver, "cuDeviceGet", ctypes.byref(device), number)
    _call(driver, "cuDeviceGetName", name, len(name), device)
    _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    return {"name": name.value.decode(errors="replace"), "memory_bytes": memory.value}


def _call(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    code = getattr(driver, function)(*arguments)
    if code != 0:
        raise DriverError(f"{function} answers error {code}")


if __name__ == "__main__":
    json.dump(devices(), sys.stdout)
