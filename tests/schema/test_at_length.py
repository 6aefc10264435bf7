"""Each operation with every kind of caller, and many more made-up requests: only a soak makes them up."""

import pytest

from tests.schema.requests_made_up import EVERYBODY, Case, People, Who, made_up

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(1800)]

guessed_at_length = made_up(30, "examples", "coverage", "fuzzing")


@pytest.mark.parametrize("who", EVERYBODY)
@guessed_at_length.parametrize()
def test_many_random_requests_are_answered_as_documented(case: Case, who: Who, people: People) -> None:
    people.send(case, who)
