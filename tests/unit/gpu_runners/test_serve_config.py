"""``serve_config.yaml`` is valid, as it is and with its GPU section switched on."""

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from ray.serve.schema import ServeDeploySchema

from deployments.launch.deploying import GPU_RUNNER
from deployments.settings import GpuSettings, LimitSettings, LiveSettings, Settings
from tests.unit.docs.markdown import ROOT
from tests.unit.gpu_runners.deployments import deployments_of

TEXT = (ROOT / "serve_config.yaml").read_text(encoding="utf-8")


def switched_on(text: str) -> str:
    """The text with both commented blocks of the GPU section uncommented, as an editor does it."""
    lines, inside = [], False
    for line in text.splitlines():
        inside = re.match(r" {6}# (gpu:|- name: GpuRunner)$", line) is not None or (
            inside and line[:10] == "      #   "
        )
        lines.append(line.replace("# ", "", 1) if inside else line)
    return "\n".join(lines)


def application(text: str) -> dict[str, Any]:
    config = yaml.safe_load(text)
    ServeDeploySchema.model_validate(config)
    found: dict[str, Any] = config["applications"][0]
    return found


@pytest.mark.parametrize("text", [TEXT, switched_on(TEXT)], ids=["as it is", "with GPU runners"])
def test_it_is_valid_and_names_the_deployments_that_there_are(text: str) -> None:
    described = application(text)
    settings = Settings.model_validate(described["args"])
    listed = {deployment["name"]: deployment for deployment in described["deployments"]}
    assert set(listed) == set(deployments_of(settings))
    for deployment in listed.values():
        LiveSettings.model_validate(deployment.get("user_config", {}))


def test_its_gpu_section_shows_every_setting_as_it_is_without_it() -> None:
    described = application(switched_on(TEXT))
    assert GpuSettings.model_validate(described["args"]["gpu"]) == GpuSettings()
    shown = set(re.findall(r"^      #   (?:# )?(\w+): ", TEXT.partition("# gpu:\n")[2].partition("\n\n")[0], re.M))
    assert shown == set(GpuSettings.model_fields)


def test_ray_reserves_what_the_settings_say() -> None:
    described = application(switched_on(TEXT))
    listed = {deployment["name"]: deployment for deployment in described["deployments"]}
    assert listed[GPU_RUNNER]["ray_actor_options"]["num_gpus"] == described["args"]["gpu"]["num_gpus"]
    assert listed[GPU_RUNNER]["autoscaling_config"]["target_ongoing_requests"] == GpuSettings().seats
    assert listed[GPU_RUNNER].keys() == listed["Runner"].keys()


def test_it_is_off_as_it_is() -> None:
    assert "gpu" not in application(TEXT)["args"]


@pytest.mark.parametrize("text", [TEXT, switched_on(TEXT)], ids=["as it is", "with GPU runners"])
def test_its_limits_are_the_defaults(text: str) -> None:
    described = application(text)
    shown = [described["args"]["limits"], *(one["user_config"]["limits"] for one in described["deployments"][1:])]
    assert all(LimitSettings.model_validate(limits) == LimitSettings() for limits in shown)
