"""Failures as data: what crosses the wire comes back as it was, and an unknown name is a forgery."""

import pickle

import pytest

from runtime.errors import DatasetTooLarge, InvalidSource, RuntimeFailure, StorageFull, TaskCrashed, TaskTimeout

FAILURES = [
    InvalidSource("no task", line=1, column=1),
    TaskTimeout("too long", limit_name="timeout_s", limit=1.5, observed=2),
    StorageFull("the disk is full"),
    DatasetTooLarge("too large", dataset_id="d", limit_name="cache_bytes", limit=1, observed=2),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.type)
def test_a_failure_comes_back_from_the_wire_as_it_was(failure: RuntimeFailure) -> None:
    for copy in (RuntimeFailure.from_wire(failure.to_wire()), pickle.loads(pickle.dumps(failure))):
        assert type(copy) is type(failure)
        assert (str(copy), copy.message, copy.fields) == (failure.message, failure.message, failure.fields)


def test_fields_stand_in_the_order_in_which_they_were_given() -> None:
    failure = InvalidSource("bad", exception_type="SyntaxError", line=2, column=3, text="def")
    assert list(failure.to_wire()["fields"]) == ["exception_type", "line", "column", "text"]


@pytest.mark.parametrize("name", ["RuntimeFailure", "Nothing", "", None, 7])
def test_an_unknown_name_is_a_crash(name: object) -> None:
    assert type(RuntimeFailure.from_wire({"type": name, "message": "m", "fields": {}})) is TaskCrashed


@pytest.mark.parametrize("fields", [{}, {"message": "forged", "self": 1, "limit": "x"}, None, [], "text"])
def test_no_fields_keep_a_failure_from_being_read(fields: object) -> None:
    failure = RuntimeFailure.from_wire({"type": "TaskTimeout", "message": "m", "fields": fields})
    assert (type(failure), failure.message) == (TaskTimeout, "m")
    assert failure.fields == (fields if isinstance(fields, dict) else {})
