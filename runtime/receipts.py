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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast  # Any: JSON values, and SQLAlchemy's row types

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from catalog.batches import PERIOD_S, BatchedWriter
from catalog.batches import Row as Values
from catalog.engine import Catalog
from catalog.tables import runs
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

_MOST_WAITING_BYTES: Final = 64 * 1024**2
"""Receipts that wait in memory while the catalog does not answer; further ones are only logged."""

_LABEL: Final = 1000
_BATCH: Final = 500
FAILURE_BYTES: Final = 64 * 1024
"""The most bytes of a failure in a receipt, as JSON."""

_FAILURE_TEXT: Final = 8192  # bytes
_FAILURE_ITEMS: Final = 50
_VERSIONS: Final = 100
_WORD: Final = 64

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
        self._writer = BatchedWriter(
            catalog, "receipts", self._store, _lost, size=_waiting_bytes, most_bytes=_MOST_WAITING_BYTES
        )

    def begin(self, run: NewRun) -> None:
        """Note a run that was accepted."""
        label = None if run.run_label is None else run.run_label[:_LABEL]
        values = {name: getattr(run, name) for name in NewRun.__dataclass_fields__}
        self._writer.put({**values, "run_label": label, "state": "queued", "kept_bytes": _begun_bytes(run)})

    def end(self, run: NewRun, end: RunEnd) -> None:
        """Note how a run ended. A receipt that has ended never changes."""
        columns = _columns(end, self._output_bytes)
        self._writer.put(
            {**_attempt(run), "state": "ended", **columns, "kept_bytes": _begun_bytes(run) + _ended_bytes(columns)}
        )

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

    def _store(self, connection: Connection, rows: list[Values]) -> None:
        """Write a batch, and delete what its users have too much."""
        _store(connection, rows)
        for row in rows:
            owner = row["owner_id"]
            self._added[owner] = self._added.get(owner, self._user_bytes) + row["kept_bytes"]
        for owner in {row["owner_id"] for row in rows}:
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


def _store(connection: Connection, rows: list[Values]) -> None:
    """Write a batch. An attempt that began and ended within it is one insert."""
    begun: dict[tuple[Any, ...], Values] = {}
    ended: list[Values] = []
    for row in rows:
        attempt = tuple(row[name] for name in _ATTEMPT)
        if "dataset_id" in row:
            begun.setdefault(attempt, {**_NOT_ENDED, **row})
        elif attempt in begun and begun[attempt]["state"] != "ended":
            begun[attempt].update(row)
        else:
            ended.append(row)
    if begun:
        connection.execute(_INSERT[connection.dialect.name], list(begun.values()))
    if ended:
        connection.execute(
            _END, [{f"its_{name}" if name in _ATTEMPT else name: value for name, value in row.items()} for row in ended]
        )


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


def _ended_bytes(columns: Values) -> int:
    failure = columns["failure"]
    texts = len(columns["stdout"].encode("utf-8", "replace")) + len(columns["stderr"].encode("utf-8", "replace"))
    return texts + (0 if failure is None else len(json.dumps(failure)))


def _waiting_bytes(row: Values) -> int:
    return int(row["kept_bytes"])


def _attempt(run: NewRun) -> Values:
    """Return the columns that tell this attempt from others with the same id."""
    return {name: getattr(run, name) for name in _ATTEMPT}


_ATTEMPT: Final = ("id", "owner_id", "created_at")

# Another replica may have taken an id that the caller chose a moment ago: then that run stays.
_INSERT: Final = {
    "sqlite": sqlite.insert(runs).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(runs).on_conflict_do_nothing(),
}
_END: Final = sa.update(runs).where(
    *(runs.c[name] == sa.bindparam(f"its_{name}") for name in _ATTEMPT), runs.c.state != "ended"
)
"""Made once, so that SQLAlchemy finds their compiled form."""


def _columns(end: RunEnd, output_bytes: int) -> Values:
    """Return the columns of a run's end. Stdout and stderr are cut to ``output_bytes`` each."""
    output = end.output
    stdout, stdout_cut = _cut(output["stdout"], output_bytes)
    stderr, stderr_cut = _cut(output["stderr"], output_bytes)
    return {
        "cause": end.cause[:_WORD],
        "started_at": end.started_at,
        "ended_at": end.ended_at,
        **(end.cost or dict.fromkeys(COST_KEYS)),
        "stdout": stdout,
        "stderr": stderr,
        "stdout_truncated": output["stdout_truncated"] or stdout_cut,
        "stderr_truncated": output["stderr_truncated"] or stderr_cut,
        "failure": None if end.failure is None else kept_failure(end.failure),
        "versions": None if end.versions is None else _kept_versions(end.versions),
    }


def kept_failure(failure: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a failure: texts and lists are cut, and the longest fields left out if that is long."""
    kept = {name: _kept(value, depth=5) for name, value in failure.items()}
    fields = kept.get("fields")
    sizes = {name: len(json.dumps(value)) for name, value in fields.items()} if isinstance(fields, dict) else {}
    while fields and len(json.dumps(kept)) > FAILURE_BYTES:
        longest = max(sizes, key=sizes.__getitem__)
        del fields[longest], sizes[longest]
    return kept


def _kept(value: Any, depth: int) -> Any:  # Any: JSON
    if isinstance(value, str):
        return _cut(value, _FAILURE_TEXT)[0]
    if isinstance(value, Mapping):
        inside = list(value.items())[: _FAILURE_ITEMS if depth else 0]
        return {name[:_WORD]: _kept(item, depth - 1) for name, item in inside}
    if isinstance(value, list | tuple):
        half = _FAILURE_ITEMS // 2 if depth else 0
        items = value if len(value) <= 2 * half else (*value[:half], *value[len(value) - half :])
        return [_kept(item, depth - 1) for item in items]
    return value


def _kept_versions(versions: Mapping[str, str]) -> dict[str, str]:
    return {name[:_WORD]: str(text)[:_WORD] for name, text in list(versions.items())[:_VERSIONS]}


_NOT_ENDED: Final[Values] = {
    **dict.fromkeys(("cause", "started_at", "ended_at", "failure", "versions", *COST_KEYS)),
    **NO_OUTPUT,
}


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


def _lost(rows: Iterable[Values]) -> None:
    """Log the causes of runs whose receipts could not be written."""
    for row in rows:
        log.error("receipt.not_stored run_id=%s state=%s cause=%s", row["id"], row["state"], row.get("cause"))


def _cut(text: str, most_bytes: int) -> tuple[str, bool]:
    """Return the text, or its first and last half if it is too long; and True if it was cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return text, False
    half = most_bytes // 2
    return data[:half].decode("utf-8", "ignore") + "\n…\n" + data[len(data) - half :].decode("utf-8", "ignore"), True
