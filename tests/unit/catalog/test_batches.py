"""Rows are written together, and at once where somebody waits for them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection

from catalog.batches import BatchedWriter
from catalog.engine import Catalog
from tests.waiting import WITHIN_S

Row = dict[str, int]

LONG_S = 600
"""A period that no test waits for."""


class Written(list[list[Row]]):
    """The batches so far."""

    def __init__(self) -> None:
        self.any = threading.Event()

    def store(self, _: Connection, rows: list[Row]) -> None:
        self.append(rows)
        self.any.set()


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def opened(catalog: Catalog, written: Written) -> Iterator[Callable[..., BatchedWriter[Row]]]:
    writers = []

    def opened(**options: Any) -> BatchedWriter[Row]:
        writer = BatchedWriter(catalog, "test", written.store, lost=lambda rows: pytest.fail(f"lost {rows}"), **options)
        writers.append(writer)
        return writer

    yield opened
    for writer in writers:
        writer.close()


def test_rows_of_a_period_are_one_batch_and_whoever_waits_for_them_does_not_wait_it_out(
    opened: Callable[..., BatchedWriter[Row]], written: Written
) -> None:
    writer = opened(period_s=LONG_S)
    rows = [{"number": number} for number in range(100)]
    for row in rows:
        writer.put(row)
    assert written == []
    assert writer.flush()
    assert written == [rows]


def test_after_a_wait_rows_gather_again(opened: Callable[..., BatchedWriter[Row]], written: Written) -> None:
    writer = opened(period_s=LONG_S)
    for number in range(3):
        writer.put({"number": number})
        assert writer.flush()
        writer.put({"number": -number})
    assert writer.flush()
    assert [len(batch) for batch in written] == [1, 2, 2, 1]


def test_closing_does_not_wait_the_period_out(opened: Callable[..., BatchedWriter[Row]], written: Written) -> None:
    with closing(opened(period_s=LONG_S)) as writer:
        writer.put({"number": 1})
    assert written == [[{"number": 1}]]


def test_a_backlog_is_written_without_pauses(opened: Callable[..., BatchedWriter[Row]], written: Written) -> None:
    writer = opened(period_s=LONG_S)
    for number in range(10_000):
        writer.put({"number": number})
    assert writer.flush(WITHIN_S)
    assert sum(len(batch) for batch in written) == 10_000
    assert [row["number"] for batch in written for row in batch] == list(range(10_000))


def test_a_row_is_written_though_nobody_waits(opened: Callable[..., BatchedWriter[Row]], written: Written) -> None:
    opened(period_s=0.01).put({"number": 1})
    assert written.any.wait(WITHIN_S)
    assert written == [[{"number": 1}]]


def test_rows_that_wait_are_bounded_in_bytes(catalog: Catalog) -> None:
    lost: list[Row] = []
    written = Written()
    writer = BatchedWriter(catalog, "test", written.store, lost.extend, LONG_S, most_bytes=100)
    with catalog.write():  # holds the database
        for size in (60, 40, 1, 0):
            writer.put({"bytes": size}, size)
    assert writer.flush()
    writer.put({"bytes": 100}, 100)
    assert writer.flush()
    assert lost == [{"bytes": 1}]
    assert [row["bytes"] for batch in written for row in batch] == [60, 40, 0, 100]
    writer.close()
