"""A receipt says how a run ended; it is its owner's, ends once, and goes when its time is over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from auth.users import Users
from catalog.engine import Catalog
from catalog.tables import runs
from runtime.receipts import INTERRUPTED, ROW_BYTES, NewRun, Receipts, RunEnd
from runtime.run_report import NO_OUTPUT
from tests.tasks import COST

DATASET = uuid4().hex


@pytest.fixture
def receipts(catalog: Catalog) -> Iterator[Receipts]:
    opened = Receipts(catalog, output_bytes=100)
    yield opened
    opened.close()


@pytest.fixture
def ann(users: Users) -> int:
    return users.add("ann", "correct horse battery").user_id


@pytest.fixture
def ben(users: Users) -> int:
    return users.add("ben", "correct horse battery").user_id


def new(owner_id: int, **fields: Any) -> NewRun:
    named = {"id": uuid4().hex, "dataset_id": DATASET, "engine": "pandas", "output_type": "json", "format": "json"}
    return NewRun(**{**named, "owner_id": owner_id, **fields})


ENDED = RunEnd(
    cause="TaskError", started_at=datetime.now(UTC), cost=COST, output={**NO_OUTPUT, "stdout": "out", "stderr": "err"},
    failure={"type": "TaskError", "fields": {"a": [1]}},
    versions={"pandas": "3.0.6"},
)  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in two"])
def test_a_receipt_has_what_was_noted(receipts: Receipts, ann: int, at_once: bool) -> None:
    run = new(ann, run_label="nightly", source="def task(g): return 1")
    receipts.begin(run)
    if not at_once:
        begun = receipts.get(run.id, ann)
        assert begun is not None
        assert (begun.state, begun.cause, begun.cost, begun.output, begun.failure) == (
            "queued",
            None,
            None,
            NO_OUTPUT,
            None,
        )
    receipts.end(run, ENDED)
    found = receipts.get(run.id, ann)
    assert found is not None
    assert (found.state, found.cause, found.run_label, found.source) == ("ended", "TaskError", "nightly", run.source)
    assert (found.created_at, found.started_at, found.ended_at) == (run.created_at, ENDED.started_at, ENDED.ended_at)
    for name in ("cost", "output", "failure", "versions"):
        assert getattr(found, name) == getattr(ENDED, name), name


def test_a_run_ends_once(receipts: Receipts, ann: int) -> None:
    run = new(ann)
    receipts.begin(run)
    receipts.end(run, RunEnd("ok"))
    receipts.end(run, RunEnd("TaskError"))
    assert receipts.get(run.id, ann).cause == "ok"  # type: ignore[union-attr]
    receipts.end(run, RunEnd("TaskError"))
    assert receipts.get(run.id, ann).cause == "ok"  # type: ignore[union-attr]


def test_an_id_that_is_taken_stays_with_its_run(receipts: Receipts, ann: int, ben: int) -> None:
    run = new(ann)
    receipts.begin(run)
    assert receipts.get(run.id, ann) is not None
    receipts.begin(new(ben, id=run.id))
    receipts.begin(other := new(ben))
    assert receipts.get(other.id, ben) is not None  # the batch was not lost with it
    assert receipts.get(run.id, ben) is None
    assert receipts.get(run.id, ann) is not None
    assert receipts.exists(run.id)
    assert not receipts.exists(uuid4().hex)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in two"])
@pytest.mark.parametrize("same_owner", [True, False], ids=["the same owner", "another owner"])
def test_the_end_of_an_attempt_that_was_refused_does_not_touch_the_run_with_the_same_id(
    receipts: Receipts, ann: int, ben: int, at_once: bool, same_owner: bool
) -> None:
    run = new(ann)
    refused = new(ann if same_owner else ben, id=run.id)
    receipts.begin(run)
    if not at_once:
        assert receipts.get(run.id, ann) is not None
    receipts.begin(refused)
    receipts.end(refused, RunEnd("RunExists"))
    going_on = receipts.get(run.id, ann)
    assert going_on is not None
    assert (going_on.state, going_on.cause) == ("queued", None)
    receipts.end(run, RunEnd("ok"))
    assert receipts.get(run.id, ann).cause == "ok"  # type: ignore[union-attr]
    assert receipts.get(run.id, ben) is None


def test_of_a_user_with_many_the_newest_are_kept(catalog: Catalog, ann: int, ben: int) -> None:
    receipts = Receipts(catalog, output_bytes=1000, user_bytes=32 * ROW_BYTES)
    bens, open_run = new(ben), new(ann, created_at=datetime.now(UTC) - timedelta(days=1))
    receipts.begin(open_run)
    receipts.begin(bens)
    receipts.end(bens, ENDED)
    sent = [new(ann, created_at=datetime.now(UTC) + timedelta(seconds=number)) for number in range(40)]
    for run in sent:
        receipts.begin(run)
        receipts.end(run, RunEnd("ok", output={**NO_OUTPUT, "stdout": "x" * ROW_BYTES}))
        receipts.get(run.id, ann)  # a batch for each
    kept = receipts.page(ann, 100, 0)[1]
    assert [receipt.id for receipt in kept[:-1]] == [run.id for run in reversed(sent[-len(kept) + 1 :])]
    assert kept[-1].id == open_run.id  # it has not ended
    assert 14 <= len(kept) <= 17  # two rows' worth each
    assert receipts.page(ben, 100, 0)[0] == 1
    receipts.close()


def test_what_a_receipt_takes_counts_its_source_and_its_failure(receipts: Receipts, catalog: Catalog, ann: int) -> None:
    run = new(ann, source="x" * 5000)
    receipts.begin(run)
    receipts.end(run, RunEnd("TaskError", failure={"message": "y" * 3000}))
    assert receipts.get(run.id, ann) is not None
    with catalog.read() as connection:
        assert 8000 < connection.execute(sa.select(runs.c.kept_bytes)).scalar_one() < 8000 + 2 * ROW_BYTES


def test_long_output_keeps_both_its_ends(receipts: Receipts, ann: int) -> None:
    run = new(ann)
    receipts.begin(run)
    receipts.end(run, RunEnd("ok", output={**NO_OUTPUT, "stdout": "ä" * 100 + "z", "stderr": "short"}))
    found = receipts.get(run.id, ann)
    assert found is not None
    cut = "ä" * 25 + "\n…\n" + "ä" * 24 + "z"
    assert found.output == {"stdout": cut, "stdout_truncated": True, "stderr": "short", "stderr_truncated": False}


def test_a_list_has_ones_own_newest_first_without_long_texts(receipts: Receipts, ann: int, ben: int) -> None:
    begun = [new(ann, run_label=f"l{number % 2}", source="x") for number in range(5)]
    for run in (*begun, new(ben)):
        receipts.begin(run)
    for run in begun[:3]:
        receipts.end(run, ENDED)
    count, found = receipts.page(ann, 10, 0)
    assert count == 5
    assert [receipt.id for receipt in found] == [run.id for run in reversed(begun)]
    assert all(
        (receipt.output["stdout"], receipt.output["stderr"], receipt.source) == ("", "", None) for receipt in found
    )
    assert ENDED.failure is not None
    assert found[-1].failure == {"type": ENDED.failure["type"], "message": ENDED.failure.get("message")}
    assert [receipt.id for receipt in receipts.page(ann, 2, 1)[1]] == [begun[3].id, begun[2].id]
    assert receipts.page(ann, 10, 0, ended=True)[0] == 3
    assert receipts.page(ann, 10, 0, ended=False)[0] == 2
    assert receipts.page(ann, 10, 0, run_label="l1")[0] == 2
    assert receipts.page(ann, 10, 0, dataset_id=uuid4().hex)[0] == 0


def test_receipts_go_when_their_time_is_over(receipts: Receipts, ann: int) -> None:
    now = datetime.now(UTC)
    old, young, going_on = (new(ann, created_at=now - timedelta(days=age)) for age in (9, 9, 9))
    for run in (old, young, going_on):
        receipts.begin(run)
    receipts.end(old, RunEnd("ok", ended_at=now - timedelta(days=8)))
    receipts.end(young, RunEnd("ok"))
    receipts.get(old.id, ann)  # written
    assert receipts.forget(before=now - timedelta(days=7)) == 1
    assert {receipt.id for receipt in receipts.page(ann, 10, 0)[1]} == {young.id, going_on.id}


def test_runs_of_a_server_that_is_no_more_are_interrupted(receipts: Receipts, ann: int) -> None:
    lost, fresh = new(ann, created_at=datetime.now(UTC) - timedelta(hours=1)), new(ann)
    for run in (lost, fresh):
        receipts.begin(run)
    receipts.get(lost.id, ann)
    assert receipts.interrupt(before=datetime.now(UTC) - timedelta(minutes=30)) == 1
    found = receipts.get(lost.id, ann)
    assert found is not None
    assert (found.state, found.cause) == ("ended", INTERRUPTED)
    assert receipts.get(fresh.id, ann).state == "queued"  # type: ignore[union-attr]


def test_many_go_in_batches(receipts: Receipts, catalog: Catalog, ann: int) -> None:
    for _ in range(1203):
        receipts.begin(run := new(ann))
        receipts.end(run, RunEnd("ok"))
    receipts.get(run.id, ann)
    assert receipts.forget(before=datetime.now(UTC) + timedelta(minutes=1)) == 1203
    with catalog.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one() == 0


def test_a_failure_with_characters_that_no_database_stores_is_listed(receipts: Receipts, ann: int) -> None:
    run = new(ann)
    receipts.begin(run)
    failure = {"type": "TaskError", "message": "a\0b\ud800", "fields": {"key\0": ["\0"]}}
    receipts.end(run, RunEnd(cause="TaskError", failure=failure))
    found = receipts.get(run.id, ann)
    assert found is not None
    assert found.failure == {"type": "TaskError", "message": "a\ufffdb\ufffd", "fields": {"key\ufffd": ["\ufffd"]}}
    (listed,) = receipts.page(ann, 10, 0)[1]
    assert listed.failure == {"type": "TaskError", "message": "a\ufffdb\ufffd"}
