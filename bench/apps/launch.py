"""``python -m bench.apps.launch MODULE:BUILDER``: run any app as ``make serve`` would: same flags, HAProxy, Ray."""

import os
import sys

from deployments.launch.errors import LaunchError
from deployments.launch.options import SECRETS, read_options
from deployments.launch.supervisor import Supervisor


def main(builder: str) -> int:
    """Serve until a signal comes. Return the exit status."""
    environment = dict(os.environ)
    try:
        options = read_options(environment)
        for name in SECRETS:
            os.environ.pop(name, None)
        return Supervisor(options, environment, builder).run()
    except LaunchError as error:
        print(f"graphside: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
