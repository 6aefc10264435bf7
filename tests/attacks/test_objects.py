"""Whatever a task returns and whatever it did to what encodes it, the caller gets a result or an error by name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from tests.attacks.arena import MEMORY_BYTES, Arena, Outcome, kind_of
from tests.attacks.objects import EVIL, FORMS, PATCHES, PLACES, TABLES, tasks
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.e2e

TASKS = tasks()
NAMED = {"ok", "error", "timeout", "memory", "crash", "toolarge", "scratch"}


def thoroughly(items: Sequence[Any]) -> list[Any]:  # pytest names the type of its parameters nowhere
    """The first of them for every run of the tests, all of them for the long one."""
    return [pytest.param(items[:1], id="one"), pytest.param(items, id="all", marks=pytest.mark.soak)]


@pytest.fixture(scope="module")
def http(arena: Arena) -> Iterator[httpx.Client]:
    """A client without checks against the document, because a task decides what its result contains."""
    headers = {"Authorization": arena.person.http.headers["Authorization"]}
    with httpx.Client(base_url=arena.server.url, headers=headers, timeout=WITHIN_S, trust_env=False) as client:
        yield client


def attacked(arena: Arena, http: httpx.Client, name: str, forms: Sequence[dict[str, str]]) -> Outcome:
    """Sent in each form; nothing comes but what may. How the last ended."""
    for form in forms:
        started = time.monotonic()
        body = {"execute": arena.filled_in(TASKS[name]), "timeout_s": 0.5, "memory_bytes": MEMORY_BYTES, **form}
        answer = http.post(f"/api/v2/datasets/{arena.dataset_id}/python", json=body)
        outcome = Outcome(kind_of(answer), None, None, {}, time.monotonic() - started, answer.content)
        assert outcome.kind in NAMED, f"{name} as {form}: {answer.status_code} {answer.text[:300]}"
        assert answer.headers["x-request-id"]
    return outcome


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("places", thoroughly(list(PLACES)))
def test_an_odd_object_is_encoded_or_refused_at_any_depth(
    arena: Arena, http: httpx.Client, name: str, places: Sequence[str]
) -> None:
    for place in places:
        outcome = attacked(arena, http, f"{name}, {place}", FORMS if place in TABLES else FORMS[:1])
    arena.check(outcome)


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("forms", thoroughly(FORMS))
def test_a_task_that_patches_its_encoder_harms_only_itself(
    arena: Arena, http: httpx.Client, name: str, forms: Sequence[dict[str, str]]
) -> None:
    arena.check(attacked(arena, http, name, forms))
