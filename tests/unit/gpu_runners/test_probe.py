"""Which cards there are is what the driver answers, and a driver may answer anything, or nothing."""

import ctypes
import shutil
from pathlib import Path
from typing import Any  # ctypes' references have no public type

import pytest

from runtime.engines.device import probe
from runtime.engines.device.probe import NO_DRIVER, Device, Devices, find_devices

GIB = 1024**3


class Card(dict[int, int]):
    """Attributes by number; what is not set is 1, so that it can everything."""

    name = "NVIDIA H100"

    def __init__(self, major: int = 9, minor: int = 0, **more: int) -> None:
        super().__init__({75: major, 76: minor, **{int(name[1:]): value for name, value in more.items()}})


class FakeDriver:
    """``libcuda.so.1`` as the probe calls it. ``failing``: the function that answers an error."""

    def __init__(self, *cards: Card, version: int = 13000, failing: str = "") -> None:
        self._cards = cards
        self._version = version
        self._failing = failing

    def __getattr__(self, function: str) -> Any:
        if not function.startswith("cu"):
            raise AttributeError(function)
        return (lambda *_: 100) if function == self._failing else getattr(self, f"do_{function}")

    def do_cuInit(self, flags: int) -> int:  # noqa: N802  the driver's names
        return flags

    def do_cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self._version
        return 0

    def do_cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self._cards)
        return 0

    def do_cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        device._obj.value = number
        return 0

    def do_cuDeviceGetName(self, name: Any, length: int, device: ctypes.c_int) -> int:  # noqa: N802
        name.value = self._cards[device.value].name.encode()[: length - 1]
        return 0

    def do_cuDeviceTotalMem_v2(self, memory: Any, device: ctypes.c_int) -> int:  # noqa: N802
        memory._obj.value = 80 * GIB
        return 0

    def do_cuDeviceGetAttribute(self, value: Any, attribute: int, device: ctypes.c_int) -> int:  # noqa: N802
        value._obj.value = self._cards[device.value].get(attribute, 1)
        return 0


@pytest.mark.parametrize(
    ("driver", "usable", "reason"),
    [
        (FakeDriver(Card()), 1, None),
        (FakeDriver(Card(), Card(7, 5)), 2, None),
        (FakeDriver(Card(7, 0), Card()), 1, None),
        (FakeDriver(Card(7, 0)), 0, "NVIDIA H100: compute capability 7.0, but 7.5 is needed"),
        (FakeDriver(Card(a102=0)), 0, "NVIDIA H100: its memory cannot be shared by file descriptors"),
        (FakeDriver(Card(a103=0)), 0, "NVIDIA H100: its memory cannot be shared by file descriptors"),
        (FakeDriver(), 0, "the NVIDIA driver found no card"),
        (FakeDriver(Card(), version=12080), 0, "the NVIDIA driver supports CUDA 12.8, but cuDF needs 13.0"),
        (FakeDriver(Card(), failing="cuInit"), 0, "the NVIDIA driver is installed, but cuInit failed with error 100"),
        (
            FakeDriver(Card(), failing="cuDeviceTotalMem_v2"),
            0,
            "the NVIDIA driver is installed, but cuDeviceTotalMem_v2 failed with error 100",
        ),
    ],
)
def test_a_card_counts_where_the_driver_says_that_datasets_can_lie_in_it(
    monkeypatch: pytest.MonkeyPatch, driver: FakeDriver, usable: int, reason: str | None
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    answer = probe.ask()
    assert (len(answer["devices"]), answer["reason"]) == (usable, reason)
    assert all(device == {"name": "NVIDIA H100", "memory_bytes": 80 * GIB} for device in answer["devices"])


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU here")
def test_a_machine_without_a_driver_has_no_cards() -> None:
    found = find_devices()
    assert found == Devices(reason=NO_DRIVER)
    assert (found.names, found.memory_bytes) == ((), 0)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        (
            "print('complaint')\nprint('{\"devices\": [{\"name\": \"a\", \"memory_bytes\": 5}], \"cuda\": \"13.0\", "
            "\"reason\": null}')",
            Devices((Device("a", 5),), "13.0"),
        ),
        ("raise AttributeError('undefined symbol: cuInit')",
         Devices(reason="asking the NVIDIA driver failed: AttributeError: undefined symbol: cuInit")),
        ("import os; os.abort()", Devices(reason="asking the NVIDIA driver failed: signal 6")),
        ("import os; os._exit(3)", Devices(reason="asking the NVIDIA driver failed: exit status 3")),
        ("import signal; signal.pause()", Devices(reason="the NVIDIA driver does not answer within 2 s")),
        ("", Devices(reason="asking the NVIDIA driver failed: it ended without an answer")),
    ],
    ids=["complains", "raises", "crashes", "ends", "hangs", "says nothing"],
)  # fmt: skip
def test_a_driver_can_do_what_it_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, found: Devices
) -> None:
    (tmp_path / "driver.py").write_text(program)
    monkeypatch.setattr(probe, "__file__", str(tmp_path / "driver.py"))
    assert find_devices(timeout_s=2) == found


def test_the_first_card_is_the_one_that_is_used() -> None:
    found = Devices((Device("a", 5), Device("b", 7)), "13.0")
    assert (found.names, found.memory_bytes) == (("a", "b"), 5)
