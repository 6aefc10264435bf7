"""Audit lines are complete, in order, on one line each, and hold no secret."""

import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from auth.audit import Audit, one_line
from auth.principal import Principal
from auth.refusals import Refusals
from catalog.engine import Catalog
from catalog.errors import CatalogUnavailable
from tests.unit.auth.clock import Clock
from tests.waiting import WITHIN_S

ANN = Principal(user_id=7, username="ann", email="", name="", is_admin=True)


@pytest.fixture
def audit(catalog: Catalog) -> Iterator[Audit]:
    opened = Audit(catalog, period_s=0.01)
    yield opened
    opened.close()


def test_a_line_says_who_when_whence_what_and_how_it_ended(audit: Audit) -> None:
    before = datetime.now(UTC)
    audit.append(ANN, "203.0.113.9", "flag.set", "flag:f", "ok", {"value": True, "list": [1, None, 2.5]})
    audit.append(None, "203.0.113.9", "log_in", outcome="refused")
    assert audit.flush()
    count, (refused, flag) = audit.list(10, 0)
    assert count == 2
    assert (flag.actor_id, flag.actor, flag.address, flag.action) == (7, "ann", "203.0.113.9", "flag.set")
    assert (flag.target, flag.outcome, flag.detail) == ("flag:f", "ok", {"value": True, "list": [1, None, 2.5]})
    assert before <= flag.at <= refused.at <= datetime.now(UTC)
    assert (refused.actor_id, refused.actor, refused.outcome, refused.detail) == (None, "", "refused", {})


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("ann\nlog_in ok root", "ann\\u000alog_in ok root"),
        ("a\r\n\x1b[2Jb\0", "a\\u000d\\u000a\\u001b[2Jb\\u0000"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\u0085"),
        ("\u202eann", "\\u202eann"),  # written backwards
        ("ann\u3164\uffa0\u115f", "ann\\u3164\\uffa0\\u115f"),  # Hangul fillers, which cannot be seen
        ("ann\u2800\u00a0\u034f\ufe0f", "ann\\u2800\\u00a0\\u034f\\ufe0f"),  # blanks
        ("\ua4ee\uff41\u1d00", "\\ua4ee\\uff41\\u1d00"),  # Lisu, full width, a small capital
        ("\ud800", "\\ud800"),
        ("\\u000a", "\\\\u000a"),
        ("naïve 名前", "naïve 名前"),
        ("x" * 501, "x" * 499 + "…"),
    ],
)
def test_no_text_breaks_out_of_its_line(audit: Audit, text: str, stored: str) -> None:
    audit.append(text, text, "log_in", text, text[:8], {text: text, "deep": [[[text], {text: {text: text}}]]})
    assert audit.flush()
    _, (line,) = audit.list(10, 0)
    assert (line.actor, line.address, line.target) == (stored, stored, stored)
    assert line.detail[stored] == stored
    assert one_line(text) == stored
    assert not set("\n\r\0\u2028\u2029\x85") & set(repr(line.detail) + line.outcome)


@pytest.mark.parametrize(
    "name", ["password", "token", "secret", "code", "source", "execute", "authorization", "cookie"]
)
def test_what_is_called_a_secret_is_refused(audit: Audit, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        audit.append(ANN, "", "x", detail={name: "hunter2"})


def test_lines_of_many_threads_are_all_there_and_few_writes_are_made(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    append = catalog.append

    def counted() -> AbstractContextManager[Connection]:
        writes.append(1)
        return append()

    monkeypatch.setattr(catalog, "append", counted)
    audit = Audit(catalog)
    version = catalog.version()

    def work(number: int) -> None:
        for line in range(50):
            audit.append(ANN, "", "work", f"{number}.{line}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    audit.close()
    count, lines = audit.list(1000, 0)
    assert count == 400
    assert {line.target for line in lines} == {f"{number}.{line}" for number in range(8) for line in range(50)}
    assert len(writes) < 40
    assert catalog.version() == version  # replicas forget nothing for it


def test_appending_waits_for_nothing(catalog: Catalog) -> None:
    audit = Audit(catalog)
    with catalog.write():  # holds the database
        for _ in range(100):  # would wait forever
            audit.append(ANN, "", "x")
        assert not audit.flush(timeout_s=0.2)
    assert audit.flush()
    audit.close()
    assert audit.list(1, 0)[0] == 100
    with pytest.raises(RuntimeError):
        audit.append(ANN, "", "x")


def test_lines_wait_for_a_catalog_that_is_away(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.batches.RETRY_S", 0.01)
    audit = Audit(catalog, period_s=0.01)
    tried = threading.Event()

    def away() -> AbstractContextManager[Connection]:
        tried.set()
        raise CatalogUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "append", away)
        audit.append(ANN, "", "first")
        assert tried.wait(WITHIN_S)
        audit.append(ANN, "", "second")
    assert audit.flush()
    assert [line.action for line in audit.list(10, 0)[1]] == ["second", "first"]
    audit.close()


def test_what_cannot_be_stored_goes_to_the_log(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> AbstractContextManager[Connection]:
        raise TypeError

    monkeypatch.setattr(catalog, "append", broken)
    audit = Audit(catalog, period_s=0.01)
    with caplog.at_level(logging.ERROR, "graphside.audit"):
        audit.append(ANN, "", "lost", "dataset:d")
        assert audit.flush()
        audit.close()
    assert "audit.line_not_stored" in caplog.text
    assert "dataset:d" in caplog.text


def test_lines_are_found_by_actor_action_and_time_and_come_in_pages(audit: Audit) -> None:
    for number in range(5):
        audit.append(ANN if number % 2 else "bob", "", f"a{number % 3}", str(number))
    assert audit.flush()
    _, lines = audit.list(100, 0)
    assert [line.target for line in lines] == ["4", "3", "2", "1", "0"]
    assert [line.target for line in audit.list(2, 1)[1]] == ["3", "2"]
    assert (audit.list(0, 0)[0], audit.list(10, 99)[1]) == (5, ())
    assert [line.target for line in audit.list(9, 0, actor="ann")[1]] == ["3", "1"]
    assert [line.target for line in audit.list(9, 0, action="a0")[1]] == ["3", "0"]
    assert audit.list(9, 0, since=datetime.now(UTC) + timedelta(hours=1))[0] == 0
    assert audit.list(9, 0, until=datetime.now(UTC) + timedelta(hours=1))[0] == 5


class TestRefusals:
    """A flood of them is a few lines: the first ones, and then how many more there were."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock(1000.0)

    @pytest.fixture
    def audit(self, catalog: Catalog, clock: Clock) -> Iterator[Audit]:
        opened = Audit(catalog, 0.01, refusals=lambda: Refusals(most_equal=3, most=10, clock=clock))
        yield opened
        opened.close()

    def lines(self, audit: Audit) -> list[tuple[str, str, str, dict[str, object]]]:
        assert audit.flush()
        return [(line.actor, line.address, line.outcome, dict(line.detail)) for line in reversed(audit.list(99, 0)[1])]

    def test_equal_ones_of_a_minute_are_counted(self, audit: Audit, clock: Clock) -> None:
        for number in range(500):
            audit.append(f"name{number}", "203.0.113.9", "log_in", outcome="refused")
        audit.append(None, "203.0.113.9", "log_in", outcome="throttled")  # another outcome
        audit.append(None, "203.0.113.10", "log_in", outcome="refused")  # another address
        assert len(self.lines(audit)) == 5
        clock.now += 60
        audit.append(ANN, "203.0.113.9", "log_in", outcome="refused")
        assert self.lines(audit)[5:] == [
            ("", "203.0.113.9", "refused", {"more": 497, "within_s": 60}),
            ("ann", "203.0.113.9", "refused", {}),
        ]

    def test_a_user_is_one_from_many_addresses_and_a_site_is_one_address(self, audit: Audit) -> None:
        for number in range(5):
            audit.append(ANN, f"203.0.113.{number}", "admin", f"/{number}", "refused")
            audit.append(None, f"2001:db8:1:{number}::1", "log_in", outcome="refused")
        assert audit.tell_left_out() == 0
        assert audit.tell_left_out(now=True) == 2
        more = {"more": 2, "within_s": 60}
        assert self.lines(audit)[6:] == [("", "2001:db8:1::/48", "refused", more), ("ann", "", "refused", more)]

    def test_there_are_so_many_in_all_and_those_of_strangers_take_no_lines_of_users(
        self, audit: Audit, clock: Clock
    ) -> None:
        for number in range(1000):
            audit.append(None, f"10.0.{number // 250}.{number % 250}", "log_in", outcome="refused")
        audit.append(ANN, "203.0.113.9", "admin", "/", "refused")
        assert len(self.lines(audit)) == 11
        clock.now += 60
        assert audit.tell_left_out() == 1  # as the janitor does
        assert self.lines(audit)[11] == ("", "", "refused", {"more": 990, "within_s": 60})
        assert audit._of_strangers._lines == {}

    def test_what_changed_something_is_never_left_out(self, audit: Audit) -> None:
        for _ in range(100):
            audit.append(ANN, "203.0.113.9", "flag.set", "flag:f")
            audit.append(ANN, "203.0.113.9", "run", "dataset:d", "TaskError")
        assert audit.flush()
        assert audit.list(0, 0)[0] == 200

    def test_what_was_counted_is_told_at_the_end(self, catalog: Catalog) -> None:
        audit = Audit(catalog, refusals=lambda: Refusals(most_equal=1))
        for _ in range(3):
            audit.append(None, "203.0.113.9", "log_in", outcome="refused")
        audit.close()
        assert audit.list(1, 0)[1][0].detail["more"] == 2


def test_nothing_here_alters_or_removes_a_line() -> None:
    assert {name for name in vars(Audit) if not name.startswith("_")} == {
        "append",
        "flush",
        "close",
        "list",
        "tell_left_out",
    }
