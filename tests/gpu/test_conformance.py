"""What every engine does alike, on a real device: the tests that pandas' engine and the twin pass everywhere."""

import pytest

from tests.unit.engines.test_conformance import *  # noqa: F403  its tests, with this folder's ``engine_rig``

pytestmark = pytest.mark.gpu
