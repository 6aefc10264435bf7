"""The checks on a fresh machine: what the README and CONTRIBUTING promise for a machine that has what they name."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.fresh.errors import CheckFailed
from tools.fresh.machine import Machine

ROOT: Final = Path(__file__).resolve().parents[2]
_INSTALL: Final = re.compile(r"`apt install ([a-z0-9. -]+)`")
_START_S: Final = 3600.0
_CI_S: Final = 5400.0

_SERVE: Final = """
set -e
make serve >serve.log 2>&1 &
while ! grep -q '^curl ' serve.log; do
  kill -0 $! 2>/dev/null || { cat serve.log; exit 1; }
  sleep 1
done
grep '^curl ' serve.log | sh | tee answer
grep -q 'John A.' answer || { cat serve.log; exit 1; }
kill -TERM $!
wait $! || true
grep -q stopped serve.log || { cat serve.log; exit 1; }
test ! -e .graphside/server.json
"""


def named_packages(page: str) -> list[str]:
    """Return the Debian packages of the page's first `apt install`."""
    found = _INSTALL.search((ROOT / page).read_text(encoding="utf-8"))
    if found is None:
        raise CheckFailed(f"{page} names no `apt install`")
    return found[1].split()


def serve(fresh: Machine, user: str) -> None:
    """Do the quickstart: ``make serve``, then paste the command that it prints, then stop it."""
    fresh.install(*named_packages("README.md"))
    place = fresh.clone(ROOT, user)
    fresh.run("bash", "-c", _SERVE, user=user, folder=place, within_s=_START_S)


def ci(fresh: Machine, user: str) -> None:
    """Do what CI does. Root installs what is missing; an ordinary user needs what CONTRIBUTING names."""
    fresh.install(*named_packages("README.md"))
    if user != "root":
        fresh.install(*named_packages("CONTRIBUTING.md"))
    place = fresh.clone(ROOT, user)
    fresh.run("env", "CI=true", "bash", ".ci/run", user=user, folder=place, within_s=_CI_S)


CHECKS: Final[Mapping[str, Callable[[Machine, str], None]]] = {"serve": serve, "ci": ci}
