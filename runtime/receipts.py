"""Receipts: what each run was, how it ended and what it cost, for whoever sent it.

    receipts = Receipts(catalog)
    receipts.begin(NewRun(id=run_id, owner_id=7, dataset_id=dataset_id, ...))
    receipts.end(run_id, RunEnd(cause="ok", ...))
    receipts.get(run_id, owner_id=7)

``begin`` and ``end`` never wait: rows are written in batches (``catalog/batches.py``), and a run that is over before
its first row was written costs one statement. Reading waits until this process's own rows are there.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal  # Any: JSON values, and SQLAlchemy's row types

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from catalog.batches import BatchedWriter
from catalog.batches import Row as Values
from catalog.engine import Catalog
from catalog.tables import runs
from runtime.datasets.records import is_id
from runtime.datasets.records.paging import window

log = logging.getLogger("graphside.runs")

State = Literal["queued", "running", "ended"]
INTERRUPTED: Final = "RunInterrupted"
"""Cause of a run whose server ended before it did."""

_LABEL: Final = 1000
_BATCH: Final = 500
_LONG: Final = {"stdout": "", "stderr": "", "source": None}
"""Columns that a list leaves out."""

_LISTED: Final = [sa.literal(_LONG[c.name]).label(c.name) if c.name in _LONG else c for c in runs.c]


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that was accepted. ``source`` only where the operator keeps code."""

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
    """How it ended. ``cause`` is ``ok`` or the failure's type; times in seconds, sizes in bytes, None: not known."""

    cause: str
    engine: str | None = None
    started_at: datetime | None = None
    ended_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    queue_s: float | None = None
    seat_s: float | None = None
    run_s: float | None = None
    encode_s: float | None = None
    peak_memory_bytes: int | None = None
    result_bytes: int | None = None
    stdout: str = ""
    stderr: str = ""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    failure: Mapping[str, Any] | None = None
    versions: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RunReceipt:
    """A row of the table; see ``NewRun`` and ``RunEnd``. Texts are empty in a list."""

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
    queue_s: float | None
    seat_s: float | None
    run_s: float | None
    encode_s: float | None
    peak_memory_bytes: int | None
    result_bytes: int | None
    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool
    failure: Mapping[str, Any] | None
    versions: Mapping[str, str] | None
    source: str | None


class Receipts:
    """The receipts in one catalog. Other owners' do not exist. ``output_bytes``: of stdout and stderr each."""

    def __init__(self, catalog: Catalog, output_bytes: int = 64 * 1024) -> None:
        self._catalog = catalog
        self._output_bytes = output_bytes
        self._writer = BatchedWriter(catalog, "receipts", _store, _lost)

    def begin(self, run: NewRun) -> None:
        """Note a run that was accepted."""
        label = None if run.run_label is None else run.run_label[:_LABEL]
        values = {name: getattr(run, name) for name in NewRun.__dataclass_fields__}
        self._writer.put({**values, "run_label": label, "state": "queued"})

    def end(self, run_id: str, end: RunEnd) -> None:
        """Note how a run ended. Once ended it stays as it is."""
        values = {name: getattr(end, name) for name in RunEnd.__dataclass_fields__}
        if end.engine is None:
            del values["engine"]
        for name in ("stdout", "stderr"):
            text, was_cut = _cut(values[name], self._output_bytes)
            values[name] = text
            values[f"{name}_truncated"] = values[f"{name}_truncated"] or was_cut
        self._writer.put({"id": run_id, "state": "ended", **values})

    def get(self, run_id: str, owner_id: int) -> RunReceipt | None:
        """The owner's run of that id, if there is one. Blocks on SQL."""
        if not is_id(run_id):
            return None
        self._writer.flush()
        query = sa.select(runs).where(runs.c.id == run_id, runs.c.owner_id == owner_id)
        with self._catalog.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else RunReceipt(**row._mapping)

    def exists(self, run_id: str) -> bool:
        """Whether anybody has a run of that id. Blocks on SQL."""
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
    ) -> tuple[int, list[RunReceipt]]:
        """How many runs of that kind the owner has, and a window of them, newest first. Blocks on SQL."""
        self._writer.flush()
        wanted = [runs.c.owner_id == owner_id]
        if ended is not None:
            wanted.append(runs.c.state == "ended" if ended else runs.c.state != "ended")
        if dataset_id is not None:
            wanted.append(runs.c.dataset_id == dataset_id)
        if run_label is not None:
            wanted.append(runs.c.run_label == run_label[:_LABEL])
        columns = [
            sa.literal(None if c.name == "source" else "").label(c.name) if c.name in _LONG else c for c in runs.c
        ]
        query = sa.select(*columns).where(*wanted).order_by(runs.c.created_at.desc(), runs.c.id)
        with self._catalog.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(runs).where(*wanted)).scalar_one()
            return int(count), [RunReceipt(**row._mapping) for row in connection.execute(window(query, limit, offset))]

    def forget(self, before: datetime) -> int:
        """Drop the receipts of runs that ended before then; how many. Blocks on SQL."""
        return self._in_batches(
            # The first condition has an index.
            sa.select(runs.c.id).where(runs.c.created_at < before, runs.c.state == "ended", runs.c.ended_at < before),
            lambda ids: sa.delete(runs).where(runs.c.id.in_(ids)),
        )

    def interrupt(self, before: datetime) -> int:
        """End those that were accepted before then and never ended: their server is no more. Blocks on SQL."""
        gone = {"state": "ended", "cause": INTERRUPTED, "ended_at": datetime.now(UTC)}
        return self._in_batches(
            sa.select(runs.c.id).where(runs.c.state != "ended", runs.c.created_at < before),
            lambda ids: sa.update(runs).where(runs.c.id.in_(ids), runs.c.state != "ended").values(gone),
        )

    def close(self) -> None:
        """Writes what waits."""
        self._writer.close()

    def _in_batches(self, query: sa.Select[Any], change: Any) -> int:
        """Many short transactions rather than a long one: on SQLite every writer waits for it."""
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
    """Rows of one run meet here: what began and ended within a batch is one insert."""
    begun: dict[str, Values] = {}
    ended: list[Values] = []
    for row in rows:
        if "owner_id" in row:
            begun.setdefault(row["id"], {**_NOT_ENDED, **row})
        elif row["id"] in begun and begun[row["id"]]["state"] != "ended":
            begun[row["id"]].update(row)
        else:
            ended.append(row)
    if begun:
        connection.execute(_INSERT[connection.dialect.name], list(begun.values()))
    for has_engine in (True, False):  # rows of one statement have the same columns
        alike = [
            {"run_id" if name == "id" else name: value for name, value in row.items()}
            for row in ended
            if ("engine" in row) is has_engine
        ]
        if alike:
            connection.execute(_END, alike)


# An id that the caller chose may have been taken by another replica a moment ago: then that run stays.
_INSERT: Final = {
    "sqlite": sqlite.insert(runs).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(runs).on_conflict_do_nothing(),
}
_END: Final = sa.update(runs).where(runs.c.id == sa.bindparam("run_id"), runs.c.state != "ended")
"""Made once: SQLAlchemy then knows them by their compiled form."""

_NOT_ENDED: Final[Values] = {
    **{name: None for name in RunEnd.__dataclass_fields__ if name != "engine"},
    "stdout": "",
    "stderr": "",
    "stdout_truncated": False,
    "stderr_truncated": False,
}


def _lost(rows: Iterable[Values]) -> None:
    """Receipts are lost before runs are: the log keeps the cause."""
    for row in rows:
        log.error("receipt.not_stored run_id=%s state=%s cause=%s", row["id"], row["state"], row.get("cause"))


def _cut(text: str, most_bytes: int) -> tuple[str, bool]:
    """The first and last half of a text over its cap."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return text, False
    half = most_bytes // 2
    return data[:half].decode("utf-8", "ignore") + "\n…\n" + data[-half:].decode("utf-8", "ignore"), True
