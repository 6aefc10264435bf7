"""The app with two runners, for a launcher that is told to build it."""

import sys
from typing import Any

from ray import serve

from deployments.app import application
from deployments.launch.options import read_options
from deployments.launch.supervisor import Supervisor
from deployments.settings import Settings


def two_runners(args: dict[str, Any]) -> serve.Application:
    """As ``deployments.app.build``, with a second runner replica."""
    return application(Settings.model_validate(args), num_replicas=2)


if __name__ == "__main__":
    import os

    environment = dict(os.environ)
    sys.exit(Supervisor(read_options(environment), environment, "tests.cluster.apps:two_runners").run())
