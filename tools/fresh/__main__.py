"""``python -m tools.fresh``."""

import argparse
import sys
from pathlib import Path

from tools.fresh.checks import CHECKS
from tools.fresh.errors import CheckFailed, NotHere
from tools.fresh.machine import ORDINARY, SUITES, machine


def main(arguments: list[str]) -> int:
    """Check the last commit of this checkout on fresh machines. The exit status is 2 if none can be made here."""
    parser = argparse.ArgumentParser(prog="python -m tools.fresh", description=main.__doc__)
    parser.add_argument("check", choices=CHECKS, nargs="+")
    parser.add_argument("--suite", choices=SUITES, action="append", help="Debian's release (default: each)")
    parser.add_argument("--user", choices=("root", ORDINARY), action="append", help="who runs it (default: each)")
    parser.add_argument("--archives", type=Path, help="keep downloaded Debian packages in this folder")
    options = parser.parse_args(arguments)
    failed = False
    for suite in options.suite or SUITES:
        for user in options.user or ("root", ORDINARY):
            for check in options.check:
                try:
                    with machine(suite, options.archives) as fresh:
                        CHECKS[check](fresh, user)
                except NotHere as error:
                    print(f"fresh: {error}", file=sys.stderr)
                    return 2
                except CheckFailed as error:
                    print(f"fresh: {check} fails: {error}", file=sys.stderr)
                    failed = True
                else:
                    print(f"{SUITES[suite]}, {user}: {check} passes", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
