"""The section ``gpu`` of the settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from deployments.launch.errors import LaunchError
from deployments.launch.options import read_options
from deployments.settings import GpuSettings, Settings


def test_without_the_section_there_are_no_gpu_runners() -> None:
    assert Settings().gpu is None


def test_an_empty_section_has_the_defaults() -> None:
    gpu = Settings.model_validate({"gpu": {}}).gpu
    assert gpu == GpuSettings(
        num_gpus=1.0, cache_bytes=None, seats=4, seat_bytes=6 * 1024**3, spare_seats=2, image_bytes=16 * 1024**3
    )


@pytest.mark.parametrize(
    ("gpu", "wrong"),
    [
        ({"num_gpus": 0}, "num_gpus"),
        ({"num_gpus": 2}, "num_gpus"),
        ({"cache_bytes": 1}, "cache_bytes"),
        ({"seats": 0}, "seats"),
        ({"seat_bytes": 1024}, "seat_bytes"),
        ({"spare_seats": -1}, "spare_seats"),
        ({"devices": 1}, "devices"),
        (True, "gpu"),
    ],
)
def test_what_cannot_be_is_refused_at_start(gpu: Any, wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        Settings.model_validate({"gpu": gpu})


def test_the_environment_can_switch_it_on() -> None:
    assert read_options({}).settings.gpu is None
    assert read_options({"GRAPHSIDE_GPU": "{}"}).settings.gpu == GpuSettings()
    assert read_options({"GRAPHSIDE_GPU": '{"num_gpus": 0.5}'}).settings.gpu == GpuSettings(num_gpus=0.5)
    with pytest.raises(LaunchError, match="GRAPHSIDE_GPU"):
        read_options({"GRAPHSIDE_GPU": "on"})
