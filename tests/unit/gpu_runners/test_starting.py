"""A GPU runner starts where there is a card for it, and says what to do where there is none."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import ray

from deployments import gpu_runner
from deployments.app import application
from deployments.gpu_runner import GpuRunner, assigned_share, require_cudf, usable_device
from deployments.launch.deploying import GPU_RUNNER, others_are_up
from deployments.launch.errors import LaunchError
from deployments.runner import Runner
from deployments.settings import Settings
from runtime.engines.device.probe import NO_DRIVER, Device, Devices
from runtime.errors import EngineUnavailable

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
    monkeypatch.setattr(gpu_runner, "begin_replica", lambda: None)
    monkeypatch.setattr(gpu_runner, "require_cudf", lambda: None)
    monkeypatch.setattr(gpu_runner, "find_devices", lambda: Devices(reason="cuInit answers error 100"))
    with pytest.raises(RuntimeError, match="error 100"):
        Unserved(Settings(data_dir=tmp_path / "data", gpu={}).model_dump(mode="json"))
    assert list(tmp_path.iterdir()) == []


class TestEngine:
    """How the engine is made. What makes it stands for modules that want a card."""

    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What the engine was made with; ``failing`` is what the driver says instead, ``crowded`` what the engine."""
        made: dict[str, Any] = {}

        class DriverFailed(Exception):
            pass

        @dataclass(frozen=True)
        class DeviceSettings:
            cache_bytes: int | None
            seat_bytes: int
            spares: int
            share: float

        def driver() -> str:
            if "failing" in made:
                raise DriverFailed(made["failing"])
            return "driver"

        def engine(store: Any, template: Any, seats: Any, device: Any, driver: Any, count: int) -> Any:
            made.update({"store": store, "template": template, "device": device, "driver": driver, "seats": count})
            if "crowded" in made:
                raise EngineUnavailable(made["crowded"], engine="cudf")
            return SimpleNamespace(budget_bytes=50 * GIB, name="cudf")

        def template(walls: Any, group: Any, device: str) -> str:
            return f"template with {device}"

        parts: dict[str, dict[str, Any]] = {
            "runtime.engines.cudf": {"CudfEngine": engine, "DeviceSettings": DeviceSettings},
            "runtime.engines.device.driver": {"DriverFailed": DriverFailed},
            "runtime.engines.device.nvidia": {"CudaDriver": driver},
        }
        for name, content in parts.items():
            module = ModuleType(name)
            module.__dict__.update(content)
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(gpu_runner, "TemplateProcess", template)
        return made

    def engine_of(self, **gpu: Any) -> tuple[Any, Any, int]:
        runner: Any = Unserved.__new__(Unserved)  # without a Ray to start in
        runner._settings, runner._device, runner._share = Settings(gpu=gpu, queue=7), CARD, 0.5
        runner._scratch = None
        self.executor = runner._executor_settings()
        made: tuple[Any, Any, int] = runner._make_engine("store", None, None, self.executor)
        return made

    def test_it_is_made_of_the_section_and_the_share(self, made: dict[str, Any]) -> None:
        template, engine, cache_bytes = self.engine_of(seats=3, spare_seats=1, seat_bytes=GIB)
        assert (template, engine.name, cache_bytes) == ("template with runtime.sandbox.cudf_frames", "cudf", 50 * GIB)
        assert (made["store"], made["driver"], made["seats"]) == ("store", "driver", 3)
        device = made["device"]
        assert (device.cache_bytes, device.seat_bytes, device.spares, device.share) == (None, GIB, 1, 0.5)

    def test_datasets_on_a_card_take_nothing_of_this_machines_memory(self, made: dict[str, Any]) -> None:
        self.engine_of()
        assert (self.executor.seats, self.executor.queue, self.executor.cache_bytes) == (4, 7, 0)

    def test_packages_that_are_missing_are_named_with_what_to_do(self, made: dict[str, Any]) -> None:
        made["failing"] = "No module named 'cuda'"
        with pytest.raises(RuntimeError, match=r"No module named 'cuda'.*requirements/gpu\.lock"):
            self.engine_of()

    def test_seats_that_leave_no_room_for_datasets_are_refused(
        self, made: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        made["crowded"] = "9 runs leave none for datasets"
        with pytest.raises(RuntimeError, match="9 runs leave none for datasets"):
            self.engine_of(seats=9)
        assert "gpu.no_room device='NVIDIA H100' share=0.50 9 runs leave none" in caplog.text


def deployments_of(settings: Settings) -> dict[str, Any]:
    """The deployments of the application, by name."""
    ingress = application(settings)._bound_deployment
    bound = [argument._bound_deployment for argument in ingress.init_args if hasattr(argument, "_bound_deployment")]
    return {deployment.name: deployment for deployment in (ingress, *bound)}


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
