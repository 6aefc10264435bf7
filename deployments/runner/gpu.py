"""The runner deployment of machines with a GPU. Datasets lie in a card's memory; all else is as on CPUs."""

import importlib.util
import logging
from collections.abc import Mapping
from typing import Any, Final

import ray

from deployments.replica.start import begin_replica
from deployments.runner.budget import most_cached_datasets, seat_settings
from deployments.runner.deployment import Runner
from deployments.settings import GpuSettings, Settings
from runtime.datasets.store.base import Store
from runtime.engines.base import Engine
from runtime.engines.cudf import CudfEngine
from runtime.engines.device.budget import DeviceSettings
from runtime.engines.device.driver import Driver, DriverFailed
from runtime.engines.device.images import Images
from runtime.engines.device.nvidia import CudaDriver
from runtime.engines.device.probe import Device, Devices, find_devices
from runtime.errors import EngineUnavailable
from runtime.executor import ExecutorSettings
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.walls.cgroup import TaskGroup
from runtime.sandbox.walls.enclosure import Walls

log = logging.getLogger("graphside.runner")

WHAT_TO_DO: Final = (
    "a GPU runner needs an NVIDIA driver of CUDA 13 (580 or newer), a card that this process may use, and the packages "
    "of requirements/gpu.lock; `graphside doctor` says which of them is missing. To run without a GPU, remove the "
    "section gpu from the settings, and GpuRunner from serve_config.yaml"
)


class GpuRunner(Runner):
    """One replica, with the share of a card that Ray gave to this process. Without a card it does not start."""

    frames = "runtime.sandbox.guest.device.cudf_frames"
    """The module with which the template's children use the card."""

    def __init__(self, settings: dict[str, Any]) -> None:
        begin_replica()  # before what is logged here
        self._device = self._find_device()
        assigned = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
        self._share = assigned_share(assigned)
        super().__init__(settings)

    def _find_device(self) -> Device:
        device = usable_device(find_devices())
        require_cudf()
        return device

    def _open_driver(self) -> Driver:
        return CudaDriver()

    def _executor_settings(self) -> ExecutorSettings:
        """Return the executor's settings. Datasets take none of this machine's memory.

        A load takes the size of the dataset once more, so there is one at a time. Each seat has memory of the card for
        itself, so none can be added, and more of them are left to others.
        """
        seats = gpu_section(self._settings).seats
        return ExecutorSettings(
            seats, self._settings.queue, cache_bytes=0, spared_seats=max(1, seats // 2),
            cached_datasets=most_cached_datasets(self._settings), concurrent_loads=1,
        )  # fmt: skip

    def _make_engine(
        self, store: Store, walls: Walls, group: TaskGroup | None, executor: ExecutorSettings
    ) -> tuple[TemplateProcess, Engine, int]:
        gpu = gpu_section(self._settings)
        template = TemplateProcess(walls, group, self.frames, self._settings.task_imports)
        device = DeviceSettings(
            cache_bytes=gpu.cache_bytes, seat_bytes=gpu.seat_bytes, seats=executor.seats, spares=gpu.spare_seats,
            share=self._share,
        )  # fmt: skip
        seats = seat_settings(self._settings, self._scratch)
        images = Images(self._settings.store_options.cache_dir / "images", gpu.image_bytes) if gpu.image_bytes else None
        try:
            engine = CudfEngine(store, template, seats, device, self._open_driver(), images)
        except DriverFailed as error:  # also if the packages of requirements/gpu.lock are not installed
            raise unusable(str(error)) from error
        except EngineUnavailable as error:  # the card is there, and its seats leave no room for datasets
            log.error("gpu.no_room device=%r share=%.2f %s", self._device.name, self._share, error.message)
            raise RuntimeError(error.message) from error
        log.info(
            "gpu.ready device=%r memory_bytes=%d share=%.2f seats=%d seat_bytes=%d cache_bytes=%d",
            self._device.name, self._device.memory_bytes, self._share, executor.seats, gpu.seat_bytes,
            engine.budget_bytes,
        )  # fmt: skip
        return template, engine, engine.budget_bytes


def gpu_section(settings: Settings) -> GpuSettings:
    """Return the section ``gpu`` of the settings."""
    return settings.gpu or GpuSettings()


def usable_device(found: Devices) -> Device:
    """Return the card that a runner uses. Raise ``RuntimeError``, which says what to do, if there is none."""
    if found.reason is not None or not found.devices:
        raise unusable(found.reason or "no card")
    return found.devices[0]


def require_cudf() -> None:
    """Raise ``RuntimeError`` if the package is not installed. The template would fail later, with a worse message."""
    if importlib.util.find_spec("cudf") is None:
        raise unusable("cudf is not installed")


def assigned_share(assigned: Mapping[str, float]) -> float:
    """Return the share of a card that Ray gave to this replica. Its byte budgets get the same share.

    Raises ``RuntimeError`` if the share is 0, because an operator's ``ray_actor_options`` replace ours as a whole.
    """
    share = min(1.0, float(assigned.get("GPU", 0.0)))
    if share <= 0:
        raise unusable("Ray gave this replica no GPU: GpuRunner's ray_actor_options lack num_gpus")
    return share


def unusable(reason: str) -> RuntimeError:
    """Log the reason in one line for the operator, and return the error for Serve's status."""
    log.error("gpu.unusable reason=%r", reason)
    return RuntimeError(f"no usable GPU ({reason}): {WHAT_TO_DO}")
