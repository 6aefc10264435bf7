"""Asks the NVIDIA driver which GPUs this process may use. A process of its own asks, because drivers can crash.

An import of a library proves nothing about a GPU. Run by path, this file makes real calls of the driver, without a
context, and prints JSON. It uses the standard library only, because no package of ours is in its path then.
"""

import ctypes
import json
import sys
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON values

NO_DRIVER: Final = "no NVIDIA driver"

PROBE_S: Final = 60.0
"""Time limit. A driver that has to wake its cards takes seconds for the first call."""

LEAST_CUDA: Final = 13000
"""The CUDA version for which cuDF of requirements/gpu.lock is built. 13000 is 13.0."""

LEAST_CAPABILITY: Final = (7, 5)
"""The lowest compute capability that CUDA 13 supports."""

_MAJOR, _MINOR = 75, 76
_VIRTUAL_MEMORY, _DESCRIPTORS = 102, 103
"""``CUdevice_attribute``: the compute capability; blocks of memory, and exporting them as file descriptors."""


@dataclass(frozen=True, slots=True)
class Device:
    """A card that can hold datasets."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Devices:
    """The result of asking. ``cuda``: the newest version that the driver supports. ``reason``: why no card works."""

    devices: tuple[Device, ...] = ()
    cuda: str | None = None
    reason: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(device.name for device in self.devices)

    @property
    def memory_bytes(self) -> int:
        """Memory of the first card, which is the one that an engine uses; 0 if there is none."""
        return self.devices[0].memory_bytes if self.devices else 0


class DriverError(Exception):
    """A call of the driver failed."""


def find_devices(timeout_s: float = PROBE_S) -> Devices:
    """Find the cards that this process may use, according to ``CUDA_VISIBLE_DEVICES``. Never raises."""
    from runtime.probing import ProbeFailed, ProbeHangs, run_probe  # not needed, and not there, when run by path

    try:
        answer = run_probe("-P", "-s", __file__, timeout_s=timeout_s)
    except ProbeHangs:
        return Devices(reason=f"the NVIDIA driver does not answer within {timeout_s:g} s")
    except ProbeFailed as error:
        return Devices(reason=f"asking the NVIDIA driver failed: {error}")
    found = tuple(Device(**device) for device in answer["devices"])
    return Devices(found, answer["cuda"], answer["reason"])


def ask() -> dict[str, Any]:
    """Call the driver in this process. Return the fields of ``Devices`` as JSON values."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return _answer(reason=NO_DRIVER)
    version, count = ctypes.c_int(), ctypes.c_int()
    try:
        _call(driver, "cuInit", 0)
        _call(driver, "cuDriverGetVersion", ctypes.byref(version))
        _call(driver, "cuDeviceGetCount", ctypes.byref(count))
        cards = [_card(driver, number) for number in range(count.value)]
    except DriverError as error:
        return _answer(reason=f"the NVIDIA driver is installed, but {error}")
    cuda = _spelt(version.value)
    if version.value < LEAST_CUDA:
        return _answer(cuda, reason=f"the NVIDIA driver supports CUDA {cuda}, but cuDF needs {_spelt(LEAST_CUDA)}")
    usable = [device for device, lacking in cards if lacking is None]
    lacks = [f"{device['name']}: {lacking}" for device, lacking in cards if lacking is not None]
    reason = None if usable else "; ".join(lacks) or "the NVIDIA driver found no card"
    return _answer(cuda, usable, reason)


def _answer(
    cuda: str | None = None, devices: list[dict[str, Any]] | None = None, reason: str | None = None
) -> dict[str, Any]:
    return {"devices": devices or [], "cuda": cuda, "reason": reason}


def _spelt(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _card(driver: ctypes.CDLL, number: int) -> tuple[dict[str, Any], str | None]:
    """Describe a card, and say what it lacks for datasets."""
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    _call(driver, "cuDeviceGet", ctypes.byref(device), number)
    _call(driver, "cuDeviceGetName", name, len(name), device)
    _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    found = {"name": name.value.decode(errors="replace"), "memory_bytes": memory.value}
    capability = (_attribute(driver, _MAJOR, device), _attribute(driver, _MINOR, device))
    if capability < LEAST_CAPABILITY:
        return found, "compute capability {}.{}, but 7.5 is needed".format(*capability)
    if not _attribute(driver, _VIRTUAL_MEMORY, device) or not _attribute(driver, _DESCRIPTORS, device):
        return found, "its memory cannot be shared by file descriptors"
    return found, None


def _attribute(driver: ctypes.CDLL, attribute: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _call(driver, "cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
    return value.value


def _call(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    code = getattr(driver, function)(*arguments)
    if code != 0:
        raise DriverError(f"{function} failed with error {code}")


if __name__ == "__main__":
    json.dump(ask(), sys.stdout)
