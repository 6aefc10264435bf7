"""Executors over each engine, with real processes: pandas', and cudf's owner side over a device of host memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest

from runtime.datasets.store.local import LocalStore
from runtime.engines.cudf import CudfEngine
from runtime.engines.device.budget import DeviceSettings
from runtime.engines.device.images import Images
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from tests.gpu import twin
from tests.gpu.twin import MIB, HostDriver
from tests.unit.sandbox.conftest import Rig, make_rig  # noqa: F401  a fixture

SEAT_BYTES = 4 * MIB
ROOMY = 1 << 40
"""A device on which contexts of the size of real ones leave room."""


@dataclass
class DeviceRig:
    """An executor over a device, and that device."""

    rig: Rig
    driver: HostDriver
    engine: CudfEngine


MakeDeviceRig = Callable[..., DeviceRig]


@pytest.fixture(scope="session")
def make_device_rig(make_rig: Callable[..., Rig]) -> MakeDeviceRig:  # noqa: F811
    """``make_device_rig(cache_bytes=..., spares=1, device_bytes=...)``."""

    def make(
        *,
        cache_bytes: int = 64 * MIB,
        spares: int = 1,
        device_bytes: int = ROOMY,
        seats: int = 4,
        frames: ModuleType = twin,
        images: Images | None = None,
    ) -> DeviceRig:
        driver = HostDriver(total_bytes=device_bytes)
        engines: list[CudfEngine] = []

        def build(store: LocalStore, template: TemplateProcess, settings: SeatSettings, _: int) -> CudfEngine:
            device = DeviceSettings(cache_bytes=cache_bytes, seat_bytes=SEAT_BYTES, seats=seats, spares=spares)
            engines.append(CudfEngine(store, template, settings, device, driver, images))
            return engines[-1]

        rig = make_rig(seats=seats, cache_bytes=cache_bytes, build_engine=build, device=str(frames.__file__))
        return DeviceRig(rig, driver, engines[0])

    return make


@pytest.fixture(scope="session", params=["pandas", "cudf"])
def engine_rig(
    request: pytest.FixtureRequest,
    make_rig: Callable[..., Rig],  # noqa: F811
    make_device_rig: MakeDeviceRig,
) -> Iterator[Rig]:
    """One executor for each engine."""
    yield make_rig(cache_bytes=64 * MIB) if request.param == "pandas" else make_device_rig().rig


@pytest.fixture
def device_rig(make_device_rig: MakeDeviceRig) -> Iterator[DeviceRig]:
    """A device of its own, with room for three small datasets."""
    device_rig = make_device_rig(cache_bytes=6 * MIB)
    yield device_rig
    device_rig.rig.close()
