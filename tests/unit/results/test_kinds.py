"""A format or a kind of result that somebody forgot in a table ends the import; it never becomes another format."""

import io
import subprocess
import sys
from typing import get_args

import pytest

from runtime.results.encoding import encode
from runtime.results.kinds import FORMATS, RESULT_KINDS, Format, ResultKind, complete
from runtime.sandbox.host.outcome import outcome_of
from tests.tasks import limits

WITH_ANOTHER_FORMAT = """
import runtime.results.kinds as kinds
kinds.FORMATS = (*kinds.FORMATS, "arrow")
import runtime.results.encoding
"""


def test_a_table_is_complete_or_refused() -> None:
    assert complete({"a": 1, "b": 2}, ("b", "a")) == {"a": 1, "b": 2}
    with pytest.raises(LookupError, match="'b'"):
        complete({"a": 1}, ("a", "b"))
    with pytest.raises(LookupError, match="'c'"):
        complete({"a": 1, "c": 3}, ("a",))


def test_a_format_without_a_writer_ends_the_import() -> None:
    done = subprocess.run([sys.executable, "-c", WITH_ANOTHER_FORMAT], capture_output=True, text=True)
    assert done.returncode == 1
    assert "LookupError" in done.stderr
    assert "arrow" in done.stderr


def test_an_unknown_format_is_not_written_as_another() -> None:
    unknown: Format = "arrow"  # type: ignore[assignment]
    sink = io.BytesIO()
    with pytest.raises(Exception, match="arrow"):
        encode([{"a": 1}], "table", unknown, False, sink)
    assert sink.getvalue() == b""


def test_every_kind_that_a_seat_may_name_is_a_result() -> None:
    assert set(RESULT_KINDS) == set(get_args(ResultKind))
    assert set(FORMATS) < set(RESULT_KINDS)
    for kind in RESULT_KINDS:
        answer = {"status": "ok", "kind": kind, "length": 1, "run_s": 0.1, "encode_s": 0.1}
        assert outcome_of(answer, limits()).kind == kind
