"""Receipts: what each run was, how it ended and what it cost, for the user who sent it.

    receipts = Receipts(catalog)
    run = NewRun(id=run_id, owner_id=7, dataset_id=dataset_id, ...)
    receipts.begin(run)
    receipts.end(run, RunEnd(cause="ok", ...))
    receipts.get(run_id, owner_id=7)

Callers may choose ids, so two requests can come with the same one. An attempt is known by id, owner and time of its
beginning: the end of the attempt that was refused does not touch the other's receipt.

``begin`` and ``end`` never wait: rows are written in batches (``catalog/batches.py``), and a run that ends before its
first row was written costs one statement. Reading waits until this process's own rows are written.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal, cast  # Any: JSON values, and SQLAlchemy's row types

import sqlalchemy as sa
from sqlalchemy import Connection

from catalog.batches import PERIOD_S, BatchedWriter
from catalog.engine import Catalog
from catalog.many_rows import ManyRows
from catalog.tables import runs
from runtime.cutting import WORD, cut, kept_failure, kept_versions, utf8_length
from runtime.datasets.records import is_id
from runtime.datasets.records.paging import window
from runtime.run_report import COST_KEYS, NO_OUTPUT, RunCost, RunOutput

log = logging.getLogger("graphside.runs")

State = Literal["queued", "running", "ended"]
INTERRUPTED: Final = "RunInterrupted"
"""Cause of a run whose server ended before the run did."""

SEEN_WITHIN_S: Final = PERIOD_S
"""Other processes see a row this long after it was noted, and the time of one statement later."""

USER_BYTES: Final = 256 * 1024**2
ROW_BYTES: Final = 512
"""What a receipt takes beside its long texts, about."""

_LOOKS: Final = 16
"""What a user has is summed up when they have added this part of what they may have."""

Values = dict[str, Any]

_LABEL: Final = 1000
_BATCH: Final = 500
_ABOUT: Final = 1000
"""A list shows so many characters of a failure's message."""


def _of_failure(name: str) -> sa.ColumnElement[str | None]:
    return sa.func.substr(runs.c.failure[name].as_string(), 1, _ABOUT)


_LONG: Final[dict[str, sa.ColumnElement[Any]]] = {
    "stdout": sa.literal(""),
    "stderr": sa.literal(""),
    "source": sa.null(),
    "failure": sa.null(),
}
"""What stands in a list for the columns that can be long."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that was accepted. ``source`` is set only if the operator keeps code."""

    id: str
    owner_id: int
    dataset_id: str
    engine: str
    output_type: str
    format: str
    run_label: str | None = None
    source: str | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended. ``cause`` is ``ok`` or the failure's type; a run that never started has no ``cost``."""

    cause: str
    started_at: datetime | None = None
    ended_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    cost: RunCost | None = None
    output: RunOutput = field(default_factory=NO_OUTPUT.copy)
    failure: Mapping[str, Any] | None = None
    versions: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Note:
    """What the writer is told: that a run began (``end`` is None), or how it ended. ``kept_bytes`` in all."""

    run: NewRun
    end: RunEnd | None
    kept_bytes: int

    @property
    def attempt(self) -> tuple[str, int, datetime]:
        """What tells this attempt from others with the same id."""
        return self.run.id, self.run.owner_id, self.run.created_at


@dataclass(frozen=True, slots=True)
class Receipt:
    """A row of the table; see ``NewRun`` and ``RunEnd``. In a list, texts are empty and a failure has no fields."""

    id: str
    owner_id: int
    dataset_id: str
    engine: str
    output_type: str
    format: str
    run_label: str | None
    state: State
    cause: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cost: RunCost | None
    output: RunOutput
    failure: Mapping[str, Any] | None
    versions: Mapping[str, str] | None
    source: str | None


class Receipts:
    """The receipts in one catalog. A user finds only their own.

    ``output_bytes`` bounds stdout and stderr each. ``user_bytes``: about what all receipts of a user may take. If they
    take more, those of the runs that were sent first are deleted.
    """

    def __init__(self, catalog: Catalog, output_bytes: int = 64 * 1024, user_bytes: int = USER_BYTES) -> None:
        self._catalog = catalog
        self._output_bytes = output_bytes
        self._user_bytes = user_bytes
        self._added: dict[int, int] = {}  # bytes of each user since theirs were summed up
        self._writer: BatchedWriter[_Note] = BatchedWriter(catalog, "receipts", self._store, _lost)

    def begin(self, run: NewRun) -> None:
        """Note a run that was accepted."""
        if run.run_label is not None and len(run.run_label) > _LABEL:
            run = replace(run, run_label=run.run_label[:_LABEL])
        self._put(_Note(run, None, _begun_bytes(run)))

    def end(self, run: NewRun, end: RunEnd) -> None:
        """Note how a run ended. A receipt that has ended never changes."""
        end = _cut_to(end, self._output_bytes)
        self._put(_Note(run, end, _begun_bytes(run) + _ended_bytes(end)))

    def _put(self, note: _Note) -> None:
        self._writer.put(note, note.kept_bytes)

    def get(self, run_id: str, owner_id: int) -> Receipt | None:
        """Return the owner's run of this id, if there is one. Blocks on SQL."""
        if not is_id(run_id):
            return None
        self._writer.flush()
        query = sa.select(runs).where(runs.c.id == run_id, runs.c.owner_id == owner_id)
        with self._catalog.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _receipt(dict(row._mapping))

    def exists(self, run_id: str) -> bool:
        """Return True if anybody has a run of this id. Blocks on SQL."""
        self._writer.flush()
        with self._catalog.read() as connection:
            return connection.execute(sa.select(runs.c.id).where(runs.c.id == run_id)).first() is not None

    def page(
        self,
        owner_id: int,
        limit: int,
        offset: int,
        *,
        ended: bool | None = None,
        dataset_id: str | None = None,
        run_label: str | None = None,
    ) -> tuple[int, list[Receipt]]:
        """Return the number of the owner's matching runs, and a window of them, newest first. Blocks on SQL."""
        self._writer.flush()
        wanted = [runs.c.owner_id == owner_id]
        if ended is not None:
            wanted.append(runs.c.state == "ended" if ended else runs.c.state != "ended")
        if dataset_id is not None:
            wanted.append(runs.c.dataset_id == dataset_id)
        if run_label is not None:
            wanted.append(runs.c.run_label == run_label[:_LABEL])
        columns = [_LONG[c.name].label(c.name) if c.name in _LONG else c for c in runs.c if c is not runs.c.kept_bytes]
        of_failure = [_of_failure(name).label(f"failure_{name}_") for name in ("type", "message")]
        query = sa.select(*columns, *of_failure).where(*wanted).order_by(runs.c.created_at.desc(), runs.c.id)
        with self._catalog.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(runs).where(*wanted)).scalar_one()
            return int(count), [_listed(row) for row in connection.execute(window(query, limit, offset))]

    def forget(self, before: datetime) -> int:
        """Delete the receipts of runs that ended before this time; return how many. Blocks on SQL."""
        return self._in_batches(
            # The first condition has an index.
            sa.select(runs.c.id).where(runs.c.created_at < before, runs.c.state == "ended", runs.c.ended_at < before),
            lambda ids: sa.delete(runs).where(runs.c.id.in_(ids)),
        )

    def interrupt(self, before: datetime) -> int:
        """End the runs that were accepted before this time and never ended: their server is gone. Return how many.

        Blocks on SQL.
        """
        gone = {"state": "ended", "cause": INTERRUPTED, "ended_at": datetime.now(UTC)}
        return self._in_batches(
            sa.select(runs.c.id).where(runs.c.state != "ended", runs.c.created_at < before),
            lambda ids: sa.update(runs).where(runs.c.id.in_(ids), runs.c.state != "ended").values(gone),
        )

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()

    def _store(self, connection: Connection, notes: list[_Note]) -> None:
        """Write a batch, and delete what its users have too much."""
        _store(connection, notes)
        for note in notes:
            owner = note.run.owner_id
            self._added[owner] = self._added.get(owner, self._user_bytes) + note.kept_bytes
        for owner in {note.run.owner_id for note in notes}:
            if self._added[owner] >= self._user_bytes // _LOOKS:
                self._added[owner] = 0
                _trim(connection, owner, self._user_bytes)

    def _in_batches(self, query: sa.Select[Any], change: Any) -> int:
        """Use many short transactions, because on SQLite every writer waits for a long one."""
        count = 0
        while True:
            with self._catalog.append() as connection:
                ids = list(connection.execute(query.limit(_BATCH)).scalars())
                if ids:
                    connection.execute(change(ids))
            count += len(ids)
            if len(ids) < _BATCH:
                return count


def _store(connection: Connection, notes: list[_Note]) -> None:
    """Write a batch. An attempt that began and ended within it is one insert."""
    begun: dict[tuple[str, int, datetime], _Note] = {}
    ended: list[_Note] = []
    for note in notes:
        attempt = note.attempt
        if note.end is None:
            begun.setdefault(attempt, note)
        elif attempt in begun and begun[attempt].end is None:
            begun[attempt] = note
        else:
            ended.append(note)
    _INSERT.insert(connection, [_row(note) for note in begun.values()])
    if ended:
        connection.execute(_END, [_update(note, note.end) for note in ended if note.end is not None])


def _row(note: _Note) -> tuple[Any, ...]:
    """Return the values of ``_COLUMNS``."""
    state, columns = ("queued", _NOT_ENDED) if note.end is None else ("ended", _columns(note.end))
    return (*_of_run(note.run), state, *(columns[name] for name in _END_COLUMNS), note.kept_bytes)


def _update(note: _Note, end: RunEnd) -> Values:
    """Return the parameters of ``_END``."""
    own = {f"its_{name}": value for name, value in zip(_ATTEMPT, note.attempt, strict=True)}
    return {**own, "state": "ended", **_columns(end), "kept_bytes": note.kept_bytes}


def _trim(connection: Connection, owner_id: int, most: int) -> None:
    """Delete a user's oldest receipts of ended runs, if all together take more than ``most``."""
    own = runs.c.owner_id == owner_id
    total = connection.execute(sa.select(sa.func.sum(runs.c.kept_bytes)).where(own)).scalar_one() or 0
    oldest = sa.select(runs.c.id, runs.c.kept_bytes).where(own, runs.c.state == "ended").order_by(runs.c.created_at)
    while total > most - most // _LOOKS:
        gone = []
        for row in connection.execute(oldest.limit(_BATCH)):
            if total <= most - most // _LOOKS:
                break
            gone.append(row.id)
            total -= row.kept_bytes or 0
        if not gone:
            return
        connection.execute(sa.delete(runs).where(runs.c.id.in_(gone)))


def _begun_bytes(run: NewRun) -> int:
    return ROW_BYTES + len(run.source or "")


def _ended_bytes(end: RunEnd) -> int:
    texts = utf8_length(end.output["stdout"]) + utf8_length(end.output["stderr"])
    return texts + (0 if end.failure is None else len(json.dumps(end.failure)))


_ATTEMPT: Final = ("id", "owner_id", "created_at")
_RUN_COLUMNS: Final = tuple(NewRun.__dataclass_fields__)
_END_COLUMNS: Final = (
    "cause", "started_at", "ended_at", *COST_KEYS, *NO_OUTPUT, "failure", "versions",
)  # fmt: skip
_COLUMNS: Final = (*_RUN_COLUMNS, "state", *_END_COLUMNS, "kept_bytes")
_of_run: Final = attrgetter(*_RUN_COLUMNS)

# Another replica may have taken an id that the caller chose a moment ago: then that run stays.
_INSERT: Final = ManyRows(runs, _COLUMNS, or_nothing=True)
_END: Final = sa.update(runs).where(
    *(runs.c[name] == sa.bindparam(f"its_{name}") for name in _ATTEMPT), runs.c.state != "ended"
)
"""Made once, so that SQLAlchemy finds its compiled form."""


def _columns(end: RunEnd) -> Values:
    """Return the columns of a run's end, which ``_cut_to`` has bounded."""
    return {
        "cause": end.cause[:WORD],
        "started_at": end.started_at,
        "ended_at": end.ended_at,
        **(end.cost or _NO_COST),
        **end.output,
        "failure": end.failure,
        "versions": None if end.versions is None else kept_versions(end.versions),
    }


def _cut_to(end: RunEnd, output_bytes: int) -> RunEnd:
    """Return the end with stdout and stderr of at most ``output_bytes`` each, and what is kept of a failure."""
    output = end.output
    if any(utf8_length(output[name]) > output_bytes for name in ("stdout", "stderr")):
        stdout, stdout_cut = cut(output["stdout"], output_bytes)
        stderr, stderr_cut = cut(output["stderr"], output_bytes)
        shortened: RunOutput = {
            "stdout": stdout,
            "stderr": stderr,
            "stdout_truncated": output["stdout_truncated"] or stdout_cut,
            "stderr_truncated": output["stderr_truncated"] or stderr_cut,
        }
        end = replace(end, output=shortened)
    return end if end.failure is None else replace(end, failure=kept_failure(end.failure))


_NO_COST: Final[Values] = dict.fromkeys(COST_KEYS)
_NOT_ENDED: Final[Values] = {**dict.fromkeys(_END_COLUMNS), **NO_OUTPUT}


def _listed(row: sa.Row[Any]) -> Receipt:
    """Return a receipt of a list, whose failure has a type and a message only."""
    values = dict(row._mapping)
    failure = {"type": values.pop("failure_type_"), "message": values.pop("failure_message_")}
    return _receipt({**values, "failure": None if failure["type"] is None else failure})


def _receipt(values: Values) -> Receipt:
    values.pop("kept_bytes", None)
    cost = {name: values.pop(name) for name in COST_KEYS}
    output = {name: values.pop(name) for name in NO_OUTPUT}
    started = any(value is not None for value in cost.values())
    return Receipt(**values, cost=cast(RunCost, cost) if started else None, output=cast(RunOutput, output))


def _lost(notes: Iterable[_Note]) -> None:
    """Log the causes of runs whose receipts could not be written."""
    for note in notes:
        state, cause = ("queued", None) if note.end is None else ("ended", note.end.cause)
        log.error("receipt.not_stored run_id=%s state=%s cause=%s", note.run.id, state, cause)
