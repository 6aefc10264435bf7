"""The app with a GPU runner over a device of host memory, for a launcher that is told to build it.

All but the device is real: Ray is told of a GPU (``RAY_OVERRIDE_RESOURCES``), reserves it, and starts the runner.
"""

import os
import sys
from pathlib import Path
from typing import Any

from ray import serve

from deployments.app import application
from deployments.launch.options import read_options
from deployments.launch.supervisor import Supervisor
from deployments.runner.gpu import GpuRunner
from deployments.settings import Settings
from runtime.engines.device.probe import Device
from tests.gpu import twin

ROOMY = 1 << 40
"""A device on which contexts of the size of real ones leave room."""


class TwinRunner(GpuRunner):
    """A GPU runner whose card is the twin."""

    frames = str(Path(twin.__file__))

    def _find_device(self) -> Device:
        return Device("twin", ROOMY)

    def _open_driver(self) -> twin.HostDriver:
        return twin.HostDriver(total_bytes=ROOMY)


def over_a_twin(args: dict[str, Any]) -> serve.Application:
    """As ``deployments.app.build``, with that runner."""
    return application(Settings.model_validate(args), gpu_runner=TwinRunner)


if __name__ == "__main__":
    environment = dict(os.environ)
    sys.exit(Supervisor(read_options(environment), environment, "tests.cluster.twin_app:over_a_twin").run())
