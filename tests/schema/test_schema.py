"""The server does what ``/openapi.json`` says: made-up requests, right and wrong ones, every answer held to it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis.errors import Flaky

from tests.schema.requests_made_up import (
    EVERYBODY,
    Case,
    People,
    from_another_address,
    made_up,
    tells_nothing_of_the_server,
)

pytestmark = pytest.mark.e2e

described = made_up(1, "examples", "coverage")
guessed = made_up(2, "fuzzing")
followed = made_up(10, "stateful")


def test_the_server_gives_out_the_document(people: People) -> None:
    assert people.ann.http.get("/openapi.json").json() == described.raw_schema


@described.parametrize()
def test_requests_on_both_sides_of_each_limit_of_the_document_are_answered_as_documented(
    case: Case, people: People
) -> None:
    people.send(case, "user")


@guessed.parametrize()
def test_random_requests_are_answered_as_documented(case: Case, people: People) -> None:
    """One kind of caller for each operation, in turn; every kind sends every operation in the soak."""
    people.send(case, EVERYBODY[sum(case.operation.label.encode()) % len(EVERYBODY)])


def test_a_created_object_is_there_until_it_is_deleted(people: People) -> None:
    follow(people, rounds=1, scenarios=10, steps=6)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_created_object_is_there_until_it_is_deleted_at_length(people: People) -> None:
    follow(people, rounds=20, scenarios=10, steps=15)


def follow(people: People, rounds: int, scenarios: int, steps: int) -> None:
    """Follow the document's links: what an answer names is used, changed and deleted in the requests after it.

    Failures are collected here: the same requests again may fare otherwise, since a server remembers, and Hypothesis
    then ends a round with a complaint about that instead.
    """
    failures: list[BaseException] = []

    class Flow(followed.as_state_machine()):  # type: ignore[misc]  # made of the document
        def before_call(self, case: Case) -> None:
            if case.path_parameters.get("username") in ("admin", "ann"):
                case.path_parameters["username"] = "victim"  # the users who send the requests keep their access

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            headers = {**people.headers(case, "admin"), **from_another_address()}
            return {"base_url": people.server.url, "headers": headers, "allow_redirects": False}

        def validate_response(self, response: schemathesis.Response, case: Case, **more: Any) -> None:
            try:
                super().validate_response(response, case, additional_checks=[tells_nothing_of_the_server], **more)
            except BaseException as failure:
                failures.append(failure)
                raise

    settings = hypothesis.settings(
        max_examples=scenarios,
        stateful_step_count=steps,
        phases=[hypothesis.Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    for number in range(rounds):
        with suppress(Flaky):
            hypothesis.seed(number)(Flow).run(settings=settings)
        assert not failures, failures
