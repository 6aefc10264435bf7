"""Executors over a real device. Each test is skipped, with the reason, where there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.datasets.store.local import LocalStore
from runtime.engines.cudf import CudfEngine
from runtime.engines.device.budget import DeviceSettings
from runtime.engines.device.driver import DriverFailed
from runtime.engines.device.images import Images
from runtime.engines.device.nvidia import CudaDriver
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from tests.unit.sandbox.conftest import Rig, make_rig  # noqa: F401  a fixture

MIB = 1024 * 1024
GIB = 1024 * MIB
FRAMES = "runtime.sandbox.guest.device.cudf_frames"


@dataclass
class GpuRig:
    """An executor over the device, and its owner's side."""

    rig: Rig
    engine: CudfEngine
    images: Path

    @property
    def free_bytes(self) -> int:
        """Of the device, now."""
        return self.engine.blocks.driver.capacity().free_bytes


@pytest.fixture(scope="session")
def driver() -> CudaDriver:
    """The first device. A test that asks for it is skipped where there is none."""
    try:
        return CudaDriver()
    except DriverFailed as error:
        pytest.skip(f"no GPU to use: {error}")


@pytest.fixture(scope="session")
def gpu(
    make_rig: Callable[..., Rig],  # noqa: F811
    driver: CudaDriver,
    tmp_path_factory: pytest.TempPathFactory,
) -> GpuRig:
    """Two seats that wait, 2 GiB for a run, 8 GiB for datasets."""
    engines: list[CudfEngine] = []
    images = tmp_path_factory.mktemp("images")

    def build(store: LocalStore, template: TemplateProcess, settings: SeatSettings, _: int) -> CudfEngine:
        device = DeviceSettings(cache_bytes=8 * GIB, seat_bytes=2 * GIB, seats=4, spares=2)
        engines.append(CudfEngine(store, template, settings, device, driver, Images(images, GIB)))
        return engines[-1]

    rig = make_rig(seats=4, cache_bytes=8 * GIB, build_engine=build, device=FRAMES)
    return GpuRig(rig, engines[0], images)


@pytest.fixture
def engine_rig(gpu: GpuRig) -> Rig:
    """As the conformance tests of all engines ask for it."""
    return gpu.rig
