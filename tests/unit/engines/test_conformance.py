"""The conformance tests, over the pandas engine and over the cudf engine on a device of host memory."""

from tests.unit.engines.conformance import *  # noqa: F403  its tests, with this folder's ``engine_rig``
