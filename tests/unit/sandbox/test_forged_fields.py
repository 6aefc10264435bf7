"""Whatever a seat answers, the host passes on only what a failure of that kind may have, or takes it for a crash."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.ingress.error_answers import error_response
from deployments.ingress.errors import status_of
from runtime.errors import RuntimeFailure
from runtime.results.kinds import RESULT_KINDS
from runtime.sandbox.host.outcome import outcome_of
from runtime.sandbox.host.task_failures import (
    _CHECKS,
    _FIELDS,
    MOST_CHARACTERS,
    MOST_NUMBER,
    validated_task_failure,
)
from runtime.sandbox.protocol import ProtocolError
from tests.tasks import limits

TASK_ERROR: dict[str, Any] = {"type": "TaskError", "message": "no", "fields": {}}
WAYS = (KeyError, TypeError, ValueError, ProtocolError)
"""What ``SeatProcess`` takes for an answer that is none."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([*_CHECKS, "retry_after_s", "run_id", "errors", "error", "status", "type", "request_id"])
failures = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*RuntimeFailure.registry, "RuntimeFailure", "Exception"]) | json_values,
        "message": st.text(max_size=20) | json_values,
        "fields": st.dictionaries(names, json_values, max_size=6) | json_values,
    }
)
answers = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["ok", "failed"]) | json_values,
        "kind": st.sampled_from([*RESULT_KINDS]) | json_values,
        "length": json_values,
        "run_s": st.floats(0, 1) | json_values,
        "encode_s": st.floats(0, 1) | json_values,
        "failure": failures | json_values,
    },
)


@settings(max_examples=300, deadline=None)
@given(answers)
def test_a_forged_answer_is_an_outcome_that_can_be_sent_or_none(answer: dict[str, Any]) -> None:
    try:
        outcome = outcome_of(answer, limits())
    except WAYS:
        return
    assert 0 <= outcome.run_s <= limits().timeout_s + 1
    assert 0 <= outcome.encode_s <= limits().timeout_s + 1
    assert type(outcome.length) is int and outcome.length >= 0
    if outcome.failure is None:
        assert outcome.kind in RESULT_KINDS
    else:
        assert_can_be_sent(outcome.failure)


@settings(max_examples=300, deadline=None)
@given(failures)
def test_a_forged_failure_can_be_sent_or_is_none(failure: dict[str, Any]) -> None:
    try:
        assert_can_be_sent(validated_task_failure(failure))
    except WAYS:
        pass


def assert_can_be_sent(failure: RuntimeFailure) -> None:
    """A failure of a task is answered with 400 or 422, and says nothing about when to come again."""
    assert status_of(type(failure)) in (400, 422)
    answer = error_response(failure, path="/api/v2/datasets/d/python", request_id="r")
    assert "retry-after" not in answer.headers
    assert set(failure.fields) <= set(_CHECKS)
    orjson.dumps(failure.to_wire())


@pytest.mark.parametrize(
    "kind", ["RunFailed", "RuntimeFailure", "Overloaded", "RunInterrupted", "TaskCancelled", "TaskTimeout", "x", "", 7]
)
def test_a_seat_may_name_few_kinds_of_failures(kind: object) -> None:
    with pytest.raises(ProtocolError):
        validated_task_failure({**TASK_ERROR, "type": kind})


@pytest.mark.parametrize("seconds", ["soon", [1], 1e308, -1, None, {"a": 1}, True])
def test_a_seat_does_not_say_when_to_come_again(seconds: object) -> None:
    failure = validated_task_failure({**TASK_ERROR, "fields": {"retry_after_s": seconds, "traceback": "t"}})
    assert failure.fields == {"traceback": "t"}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("TaskError", {"traceback": ["t"]}),
        ("TaskError", {"frames": [{"line": 1, "function": "task", "source": 7}]}),
        ("TaskError", {"frames": [{"line": 1}]}),
        ("TaskError", {"frames": [{"line": 1, "function": "f", "source": "s"}] * 201}),
        ("TaskError", {"exception_type": None}),
        ("ResultTooLarge", {"observed": "much"}),
        ("ResultTooLarge", {"observed": float("nan")}),
        ("ResultTooLarge", {"limit": MOST_NUMBER * 4.0}),
        ("TaskMemoryExceeded", {"limit_name": 7}),
        ("InvalidSource", {"line": -1}),
        ("InvalidSource", {"line": 2**40}),
        ("InvalidSource", {"column": True}),
    ],
)
def test_a_field_of_a_wrong_type_or_range_is_no_answer(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        validated_task_failure({"type": kind, "message": "no", "fields": fields})


def test_a_failure_keeps_what_failures_of_its_kind_have() -> None:
    frames = [{"line": 2, "function": "task", "source": "return 1 / 0"}]
    fields = {"exception_type": "ZeroDivisionError", "traceback": "t", "frames": frames}
    kept = validated_task_failure({**TASK_ERROR, "fields": {**fields, "limit": 3, "signal": "SIGKILL"}})
    assert kept.to_wire() == {"type": "TaskError", "message": "no", "fields": fields}


def test_a_long_text_is_cut() -> None:
    failure = validated_task_failure({**TASK_ERROR, "message": "x" * 10**6})
    assert len(failure.message) < MOST_CHARACTERS + 100


def test_every_field_that_a_seat_may_send_has_a_check() -> None:
    assert set().union(*_FIELDS.values()) == set(_CHECKS)
