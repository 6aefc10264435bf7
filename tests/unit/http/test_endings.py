"""Every way in which a run can end is an error with a status, which the run route declares."""

import pytest

from deployments.ingress.errors import STATUS
from deployments.ingress.routes.python import ENDINGS
from runtime.errors import RunFailed


def leaves(kind: type[RunFailed]) -> list[type[RunFailed]]:
    below = kind.__subclasses__()
    return [leaf for one in below for leaf in leaves(one)] if below else [kind]


@pytest.mark.parametrize("kind", leaves(RunFailed))
def test_it_has_a_status_and_is_declared(kind: type[RunFailed]) -> None:
    assert kind in STATUS
    assert kind in ENDINGS
