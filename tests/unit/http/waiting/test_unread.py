"""Answers that nobody reads are bounded: of one sender, and in all."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
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


def stays() -> None:
    raise AssertionError("given up")


class Readers:
    """Answers of 100 MiB each that their readers take slowly, and the time that goes by."""

    def __init__(self) -> None:
        self.now = 0.0
        self.unread = UnreadAnswers(1000 * MIB, lambda: self.now)
        self.given_up: list[str] = []
        self._stack = ExitStack()

    def begin(self, sender: str, *names: str, size: int = 100 * MIB) -> None:
        for name in names:
            self._stack.enter_context(self.unread.holding(sender, size, partial(self.given_up.append, name)))

    def end(self) -> None:
        self._stack.close()
        assert self.unread.byte_count == 0


@pytest.fixture
def readers() -> Iterator[Readers]:
    made = Readers()
    yield made
    made.end()


def test_slow_readers_give_way_to_others_oldest_of_the_greediest_first(readers: Readers) -> None:
    readers.begin("ann", "a", "b", "c", "d")
    readers.begin("ben", "p", "q", "r")
    readers.begin("cleo", "x", size=300 * MIB)
    readers.now = 40
    readers.begin("dora", "new")
    readers.begin("emil", "newer")
    assert readers.given_up == ["a", "b"]


def test_a_reader_is_not_slow_at_once_nor_while_a_large_answer_needs_its_time(readers: Readers) -> None:
    readers.begin("ann", "a", size=500 * MIB)
    readers.begin("ben", "b", size=500 * MIB)
    readers.now = 100
    with pytest.raises(Overloaded):
        readers.begin("dora", "new")
    readers.now = 130
    readers.begin("dora", "new")
    assert readers.given_up == ["a"]


def test_who_has_answers_here_drives_out_only_those_who_have_more(readers: Readers) -> None:
    readers.begin("ann", "a", size=300 * MIB)
    readers.begin("ben", "b", size=300 * MIB)
    readers.begin("cleo", "c", size=400 * MIB)
    readers.now = 1000
    with pytest.raises(TooManyRequests):
        readers.begin("cleo", "more", size=200 * MIB)
    readers.begin("ann", "few", size=50 * MIB)
    assert readers.given_up == ["c"]


def test_nobody_gives_way_in_vain(readers: Readers) -> None:
    readers.begin("ann", "slow", size=100 * MIB)
    readers.now = 1000
    readers.begin("ben", "quick", size=500 * MIB)
    with pytest.raises(Overloaded):
        readers.begin("dora", "new", size=600 * MIB)
    assert readers.given_up == []


def test_a_single_answer_that_is_larger_than_all_room_gets_it_from_slow_readers(readers: Readers) -> None:
    readers.begin("ann", "a", size=500 * MIB)
    readers.begin("ben", "b", size=500 * MIB)
    readers.now = 1000
    readers.begin("dora", "huge", size=5000 * MIB)
    assert readers.given_up == ["a", "b"]


def test_an_answer_that_tells_of_a_change_drives_nobody_out(readers: Readers) -> None:
    readers.begin("ann", "a", size=1000 * MIB)
    readers.now = 1000
    with readers.unread.holding("ben", 100 * MIB, stays, must=True):
        assert readers.given_up == []


def test_a_user_has_half_of_the_room_and_learns_so_before_the_next_run() -> None:
    unread = UnreadAnswers(1000 * MIB)
    with unread.holding("1", 300 * MIB, stays):
        unread.check("1")
        with pytest.raises(TooManyRequests) as refused, unread.holding("1", 201 * MIB, stays):
            pass
        assert refused.value.fields["limit_name"] == "unread_bytes"
        with unread.holding("1", 200 * MIB, stays):
            with pytest.raises(TooManyRequests):
                unread.check("1")
            unread.check("2")
    unread.check("1")
    with unread.holding("1", 500 * MIB, stays):
        pass


def test_the_last_quarter_is_for_those_who_have_nothing_here() -> None:
    unread = UnreadAnswers(1000 * MIB)
    with ExitStack() as held:
        for user_id in ("1", "2"):
            held.enter_context(unread.holding(user_id, 350 * MIB, stays))
        with pytest.raises(Overloaded) as full:
            held.enter_context(unread.holding("1", 100 * MIB, stays))
        assert full.value.fields["retry_after_s"] == 5
        held.enter_context(unread.holding("3", 300 * MIB, stays))
        with pytest.raises(Overloaded):
            held.enter_context(unread.holding("4", 1 * MIB, stays))


def test_the_only_result_may_be_larger_than_all_room() -> None:
    """Else a small machine could not deliver what its limits allow."""
    unread = UnreadAnswers(1000 * MIB)
    with unread.holding("1", 5000 * MIB, stays), pytest.raises(Overloaded), unread.holding("2", 1 * MIB, stays):
        pass


def test_small_results_are_always_delivered() -> None:
    unread = UnreadAnswers(1000 * MIB)
    with (
        unread.holding("1", 1000 * MIB, stays),
        unread.holding("1", SMALL_BYTES, stays),
        unread.holding("2", SMALL_BYTES, stays),
    ):
        pass


def test_an_answer_that_tells_of_a_change_is_sent_in_any_case_and_counts() -> None:
    unread = UnreadAnswers(10 * MIB)
    with (
        unread.holding("1", 9 * MIB, stays),
        unread.holding("1", 9 * MIB, stays, must=True),
        pytest.raises(TooManyRequests),
    ):
        unread.check("1")


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

        def noted(sender: str, byte_count: int, *more: Any, **options: Any) -> Any:
            counted.append(byte_count)
            return holding(sender, byte_count, *more, **options)

        monkeypatch.setattr(services.unread, "holding", noted)
        address = path.format(id=created.json()["data"]["dataset_id"])
        answer: httpx.Response = await http.request(
            method, address, json={"execute": "def task(g): return 1"} if method == "POST" else None
        )
        assert counted == [len(answer.content)], answer.text[:200]
        assert services.unread.byte_count == 0
        with holding("user 1", 10**12, stays):
            refused = await http.request(
                method, address, json={"execute": "def task(g): return 1"} if method == "POST" else None
            )
            assert (refused.status_code, refused.headers["retry-after"]) in ((429, "5"), (503, "5"))
