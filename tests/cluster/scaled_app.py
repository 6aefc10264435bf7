"""The app with as many runners as there is work, up to two, for a launcher that is told to build it."""

import os
import sys
from typing import Any

from ray import serve

from deployments.app import application
from deployments.launch.options import read_options
from deployments.launch.supervisor import Supervisor
from deployments.settings import Settings

AUTOSCALING = {
    "min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 2, "upscale_delay_s": 1, "downscale_delay_s": 1,
    "look_back_period_s": 1, "metrics_interval_s": 0.5,
}  # fmt: skip


def scaled(args: dict[str, Any]) -> serve.Application:
    """As ``deployments.app.build``, with a second runner where one has more than two runs at a time."""
    return application(Settings.model_validate(args), autoscaling_config=AUTOSCALING)


if __name__ == "__main__":
    environment = dict(os.environ)
    sys.exit(Supervisor(read_options(environment), environment, "tests.cluster.scaled_app:scaled").run())
