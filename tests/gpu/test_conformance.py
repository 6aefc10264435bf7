"""The conformance tests of all engines, on a real GPU."""

import pytest

from tests.unit.engines.conformance import *  # noqa: F403  its tests, with this folder's ``engine_rig``

pytestmark = pytest.mark.gpu
