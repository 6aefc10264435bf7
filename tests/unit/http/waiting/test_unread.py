"""Answers that nobody reads are bounded: of one sender, and in all."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.services import Services
from deployments.ingress.unread import SMALL_BYTES, UnreadAnswers
from runtime.errors import Overloaded, TaskError
from tests.unit.http import app

MIB = 1024 * 1024


def test_a_user_has_half_of_the_room_and_learns_so_before_the_next_run() -> None:
    unread = UnreadAnswers(1000 * MIB)
    with unread.holding(1, 300 * MIB):
        unread.check(1)
        with pytest.raises(TooManyRequests) as refused, unread.holding(1, 201 * MIB):
            pass
        assert refused.value.fields["limit_name"] == "unread_bytes"
        with unread.holding(1, 200 * MIB):
            with pytest.raises(TooManyRequests):
                unread.check(1)
            unread.check(2)
    unread.check(1)
    with unread.holding(1, 500 * MIB):
        pass


def test_the_last_quarter_is_for_those_who_have_nothing_here() -> None:
    unread = UnreadAnswers(1000 * MIB)
    with ExitStack() as held:
        for user_id in (1, 2):
            held.enter_context(unread.holding(user_id, 350 * MIB))
        with pytest.raises(Overloaded) as full:
            held.enter_context(unread.holding(1, 100 * MIB))
        assert full.value.fields["retry_after_s"] == 5
        held.enter_context(unread.holding(3, 300 * MIB))
        with pytest.raises(Overloaded):
            held.enter_context(unread.holding(4, 1 * MIB))


def test_the_only_result_may_be_larger_than_all_room() -> None:
    """Else a small machine could not deliver what its limits allow."""
    unread = UnreadAnswers(1000 * MIB)
    with unread.holding(1, 5000 * MIB), pytest.raises(Overloaded), unread.holding(2, 1 * MIB):
        pass


def test_small_results_are_always_delivered() -> None:
    unread = UnreadAnswers(1000 * MIB)
    with unread.holding(1, 1000 * MIB), unread.holding(1, SMALL_BYTES), unread.holding(2, SMALL_BYTES):
        pass


def test_an_answer_that_tells_of_a_change_is_sent_in_any_case_and_counts() -> None:
    unread = UnreadAnswers(10 * MIB)
    with unread.holding(1, 9 * MIB), unread.holding(1, 9 * MIB, must=True), pytest.raises(TooManyRequests):
        unread.check(1)


LONG = {"node_encodings": {"bindings": {}, "complex": {"default": {"x": {"values": ["v" * 100] * 1000}}}}}
FAILED = {"failure": TaskError("no", traceback="t" * 100_000).to_wire(), "kind": None, "content": b""}
PRINTED = {**FAILED, "failure": TaskError("no").to_wire(), "output": {
    "stdout": "s" * 100_000, "stderr": "", "stdout_truncated": False, "stderr_truncated": False,
}}  # fmt: skip
ANSWERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a description": ("GET", "/api/v2/upload/datasets/{id}", {}),
    "a dataset": ("GET", "/api/v2/datasets/{id}", {}),
    "the document": ("GET", "/openapi.json", {}),
    "the reference": ("GET", "/docs", {}),
    "a result": ("POST", "/api/v2/datasets/{id}/python", {"content": b"1" * 100_000}),
    "a traceback": ("POST", "/api/v2/datasets/{id}/python", FAILED),
    "what a failed run printed": ("POST", "/api/v2/datasets/{id}/python", PRINTED),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "path", "reply"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_every_long_answer_counts_until_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str, reply: dict[str, Any]
) -> None:
    async with app.opened(tmp_path / "data", app.Runners(**reply)) as (http, _):
        services = cast(Services, cast(Any, http)._transport.app.state.services)
        created = await http.post("/api/v2/upload/datasets/", json=LONG)
        counted: list[int] = []
        holding: Callable[..., Any] = services.unread.holding

        def noted(sender: str, byte_count: int, **more: Any) -> Any:
            counted.append(byte_count)
            return holding(sender, byte_count, **more)

        monkeypatch.setattr(services.unread, "holding", noted)
        address = path.format(id=created.json()["data"]["dataset_id"])
        answer: httpx.Response = await http.request(
            method, address, json={"execute": "def task(g): return 1"} if method == "POST" else None
        )
        assert counted == [len(answer.content)], answer.text[:200]
        assert services.unread._all == 0
        with holding("user 1", 10**12):
            refused = await http.request(
                method, address, json={"execute": "def task(g): return 1"} if method == "POST" else None
            )
            assert (refused.status_code, refused.headers["retry-after"]) in ((429, "5"), (503, "5"))
