"""A GPU runner starts where there is a card for it, and says what to do where there is none."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from deployments.launch.deploying import GPU_RUNNER, others_are_up
from deployments.launch.errors import LaunchError
from deployments.runner import gpu
from deployments.runner.deployment import Runner
from deployments.runner.gpu import GpuRunner, assigned_share, require_cudf, usable_device
from deployments.settings import Settings
from runtime.datasets.store.local import LocalStore
from runtime.engines.device.budget import DeviceSettings, budget_bytes
from runtime.engines.device.nvidia import CudaDriver
from runtime.engines.device.probe import NO_DRIVER, Device, Devices
from runtime.sandbox.walls.enclosure import Walls
from tests.gpu.twin import HostDriver
from tests.unit.gpu_runners.deployments import deployments_of

GIB = 1024**3
CARD = Device("NVIDIA H100", 80 * GIB)


class Unserved(GpuRunner):
    """One that Serve does not hold, so that nobody awaits its end."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


def test_a_machine_without_a_card_is_told_what_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        RuntimeError, match=r"no NVIDIA driver.*driver.*gpu\.lock.*graphside doctor.*remove the section"
    ):
        usable_device(Devices(reason=NO_DRIVER))
    assert [record.getMessage() for record in caplog.records] == ["gpu.unusable reason='no NVIDIA driver'"]


def test_the_first_card_is_used() -> None:
    assert usable_device(Devices((CARD, Device("another", 1)), "13.0")) == CARD


@pytest.mark.parametrize(
    ("assigned", "share"), [({"GPU": 1.0}, 1.0), ({"GPU": 0.25, "CPU": 0.5}, 0.25), ({"GPU": 2}, 1.0)]
)
def test_budgets_follow_what_ray_gave(assigned: dict[str, float], share: float) -> None:
    assert assigned_share(assigned) == share


@pytest.mark.skipif(importlib.util.find_spec("cudf") is not None, reason="cudf is installed here")
def test_a_card_without_cudf_is_not_usable() -> None:
    with pytest.raises(RuntimeError, match=r"cudf is not installed.*requirements/gpu\.lock"):
        require_cudf()


@pytest.mark.parametrize("assigned", [{}, {"CPU": 0.5}, {"GPU": 0.0}])
def test_a_replica_without_a_share_of_a_card_does_not_start(assigned: dict[str, float]) -> None:
    with pytest.raises(RuntimeError, match="ray_actor_options lack num_gpus"):
        assigned_share(assigned)


def test_the_card_is_looked_for_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "begin_replica", lambda: None)
    monkeypatch.setattr(gpu, "require_cudf", lambda: None)
    monkeypatch.setattr(gpu, "find_devices", lambda: Devices(reason="cuInit answers error 100"))
    with pytest.raises(RuntimeError, match="error 100"):
        Unserved(Settings(data_dir=tmp_path / "data", gpu={}).model_dump(mode="json"))
    assert list(tmp_path.iterdir()) == []


class TestEngine:
    """How the engine is made, over a card of host memory."""

    @pytest.fixture(autouse=True)
    def card(self, monkeypatch: pytest.MonkeyPatch) -> HostDriver:
        card = HostDriver(total_bytes=CARD.memory_bytes)
        monkeypatch.setattr(gpu, "CudaDriver", lambda: card)
        return card

    def engine_of(self, tmp_path: Path, **gpu: Any) -> tuple[Any, Any, int]:
        runner: Any = Unserved.__new__(Unserved)  # without a Ray to start in
        runner._settings = Settings(data_dir=tmp_path, gpu=gpu, queue=7)
        runner._device, runner._share, runner._scratch = CARD, 0.5, None
        self.executor = runner._executor_settings()
        made: tuple[Any, Any, int] = runner._make_engine(LocalStore(tmp_path), Walls(), None, self.executor)
        return made

    def test_it_is_made_of_the_section_and_the_share(self, tmp_path: Path, card: HostDriver) -> None:
        template, engine, cache_bytes = self.engine_of(tmp_path, seats=3, spare_seats=1, seat_bytes=GIB)
        assert (template.pid, engine.name, engine.blocks.driver) == (None, "cudf", card)
        device = DeviceSettings(cache_bytes=None, seat_bytes=GIB, seats=3, spares=1, share=0.5)
        assert cache_bytes == budget_bytes(card, device) < 40 * GIB

    def test_datasets_on_a_card_take_nothing_of_this_machines_memory(self, tmp_path: Path) -> None:
        self.engine_of(tmp_path)
        assert (self.executor.seats, self.executor.queue, self.executor.cache_bytes) == (4, 7, 0)

    @pytest.mark.parametrize(("image_bytes", "kept"), [(1, True), (0, False)])
    def test_images_are_kept_where_they_may_take_something(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_bytes: int, kept: bool
    ) -> None:
        made: list[tuple[Any, ...]] = []
        monkeypatch.setattr(gpu, "Images", lambda *arguments: made.append(arguments))
        self.engine_of(tmp_path, image_bytes=image_bytes)
        assert made == ([(tmp_path / "cache" / "images", image_bytes)] if kept else [])

    def test_packages_that_are_missing_are_named_with_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gpu, "CudaDriver", CudaDriver)
        monkeypatch.setitem(sys.modules, "cuda.bindings", None)
        with pytest.raises(RuntimeError, match=r"cuda.*requirements/gpu\.lock"):
            self.engine_of(tmp_path)

    def test_seats_that_leave_no_room_for_datasets_are_refused(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(RuntimeError, match=r"9 runs of .* leave too little for datasets"):
            self.engine_of(tmp_path, seats=9)
        assert "gpu.no_room device='NVIDIA H100' share=0.50" in caplog.text


def test_the_application_has_gpu_runners_where_the_settings_have_the_section() -> None:
    assert set(deployments_of(Settings())) == {"Ingress", "Runner"}
    found = deployments_of(Settings.model_validate({"gpu": {"num_gpus": 0.5}}))
    assert set(found) == {"Ingress", "Runner", GPU_RUNNER}
    assert found[GPU_RUNNER].func_or_class is GpuRunner
    assert found[GPU_RUNNER].ray_actor_options == {"num_cpus": 0.5, "num_gpus": 0.5}
    assert found["Runner"].func_or_class is Runner
    assert "num_gpus" not in found["Runner"].ray_actor_options


@pytest.mark.parametrize(
    ("statuses", "up"),
    [
        ({"Ingress": "HEALTHY", "Runner": "HEALTHY", GPU_RUNNER: "UPDATING"}, True),
        ({"Ingress": "HEALTHY", "Runner": "HEALTHY", GPU_RUNNER: "DEPLOY_FAILED"}, True),
        ({"Ingress": "HEALTHY", "Runner": "UPDATING", GPU_RUNNER: "HEALTHY"}, False),
        ({GPU_RUNNER: "HEALTHY"}, False),
        ({}, False),
    ],
)
def test_a_start_waits_for_all_but_gpu_runners(statuses: dict[str, str], up: bool) -> None:
    found = {name: SimpleNamespace(status=status, message="") for name, status in statuses.items()}
    assert others_are_up(found) is up


def test_a_start_fails_where_another_deployment_does() -> None:
    found = {"Runner": SimpleNamespace(status="DEPLOY_FAILED", message="no walls")}
    with pytest.raises(LaunchError, match="Runner: no walls"):
        others_are_up(found)


def test_ray_says_what_it_gave() -> None:
    assert hasattr(ray.runtime_context.RuntimeContext, "get_assigned_resources")
