"""On a minimal Debian that has only what the pages name, the quickstart works and CI passes. Each row takes long."""

import pytest

from tools.fresh.checks import CHECKS
from tools.fresh.errors import NotHere
from tools.fresh.machine import ORDINARY, SUITES, machine

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * 3600)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("user", ["root", ORDINARY])
@pytest.mark.parametrize("suite", SUITES)
def test_a_machine_with_what_the_pages_name_is_enough(suite: str, user: str, check: str) -> None:
    try:
        with machine(suite) as fresh:
            CHECKS[check](fresh, user)
    except NotHere as error:
        pytest.skip(str(error))
