import pytest

pytest.register_assert_rewrite("tests.unit.engines.conformance")  # its name is not that of a test file
