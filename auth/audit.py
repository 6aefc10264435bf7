"""The audit log: who did what, when, from which address, and how it ended. Lines are written once and never changed.

    audit = Audit(catalog)
    audit.append(principal, "203.0.113.9", "log_in", outcome="ok")
    audit.close()

Of many equal refusals some are only counted (``auth/refusals.py``), because strangers can cause any number of them.

``append`` never waits: a thread writes all new lines every 0.2 s. A server that is killed loses the lines of the last
0.2 s. Nothing here alters or removes a line.
"""

import json
import logging
import math
import threading
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final  # Any: JSON values

import sqlalchemy as sa
from sqlalchemy import Connection

from auth.addresses import site_of
from auth.folds import is_everyday
from auth.principal import Principal
from auth.refusals import PERIOD_S as PERIOD_OF_REFUSALS_S
from auth.refusals import Refusal, Refusals
from catalog.batches import MOST_WAITING, PERIOD_S, BatchedWriter
from catalog.engine import Catalog
from catalog.many_rows import ManyRows
from catalog.tables import audit as table

log = logging.getLogger("graphside.audit")

_CHARACTERS: Final = 500
MOST_LINE: Final = 8 * _CHARACTERS
"""The most characters of a text in a line: each character may have to be escaped."""

REFUSALS: Final = frozenset(("refused", "throttled", "left"))
"""The outcomes of which equal lines are counted: nothing has changed."""

_ADDRESS: Final = 64
_ITEMS: Final = 50
_SHORT_ITEMS: Final = 10
_DEPTH: Final = 3
_DETAIL_BYTES: Final = 16 * 1024
_SURELY_SHORT: Final = 1000  # characters, of which each takes at most 12 bytes
_ESCAPED_CATEGORIES: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_BLANKS: Final = frozenset(
    "\u00a0\u034f\u1680\u17b4\u17b5\u2800\u3000\u202f\u205f"
    + "".join(
        map(chr, (*range(0x180B, 0x1810), *range(0x2000, 0x200B), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
    )
)
"""Spaces beside the one of ASCII, and marks that cannot be seen."""

_SECRETS: Final = frozenset(("password", "token", "secret", "code", "source", "execute", "authorization", "cookie"))


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the audit log. ``actor_id`` is None if the actor did not prove who they are."""

    id: int
    at: datetime
    actor_id: int | None
    actor: str
    address: str
    action: str
    target: str
    outcome: str
    detail: Mapping[str, Any]


class Audit:
    """The audit log in one catalog. Threads may share it; each process has its own."""

    def __init__(
        self,
        catalog: Catalog,
        period_s: float = PERIOD_S,
        most_waiting: int = MOST_WAITING,
        refusals: Callable[[], Refusals] = Refusals,
    ) -> None:
        self._catalog = catalog
        self._of_strangers, self._of_users = refusals(), refusals()
        self._counting = threading.Lock()
        self._writer: BatchedWriter[dict[str, Any]] = BatchedWriter(
            catalog, "audit", _insert, _into_log, period_s, most_waiting
        )

    def append(
        self,
        actor: Principal | str | None,
        address: str,
        action: str,
        target: str = "",
        outcome: str = "ok",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a line, which is written soon. Texts may come from strangers: they are cut and escaped onto one line.

        Raises ``ValueError`` if ``detail`` has a key that names a secret: lines hold no passwords, tokens or code.
        """
        secret = _SECRETS.intersection(detail or {})
        if secret:
            raise ValueError(f"an audit line must not hold a {', '.join(sorted(secret))}")
        known = actor if isinstance(actor, Principal) else None
        if outcome in REFUSALS and not self._has_room(known, address, action, outcome):
            return
        self._writer.put(
            {
                "at": datetime.now(UTC),
                "actor_id": known.user_id if known else None,
                "actor": one_line(known.username if known else str(actor or "")),
                "address": one_line(address),
                "action": one_line(action)[:64],
                "target": one_line(target),
                "outcome": one_line(outcome)[:32],
                "detail": _bounded(_plain(dict(detail or {}), _DEPTH)),
            }
        )

    def tell_left_out(self, *, now: bool = False) -> int:
        """Add a line for each kind of refusals that were only counted, once their minute is over; return how many."""
        with self._counting:
            found = [each for refusals in (self._of_strangers, self._of_users) for each in refusals.left_out(now=now)]
        for refusal, count in found:
            line = {name: one_line(text) for name, text in asdict(refusal).items() if name != "actor_id"}
            detail = {"more": count, "within_s": PERIOD_OF_REFUSALS_S}
            self._writer.put(
                {"at": datetime.now(UTC), "actor_id": refusal.actor_id, "target": "", **line, "detail": detail}
            )
        return len(found)

    def flush(self, timeout_s: float = 10) -> bool:
        """Wait until all appended lines are on disk. Returns False if that takes longer than ``timeout_s``."""
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float = 10) -> None:
        """Write the remaining lines and end the thread. Lines that cannot be stored go to the server's log."""
        self.tell_left_out(now=True)
        self._writer.close(timeout_s)

    def list(
        self,
        limit: int,
        offset: int,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[int, tuple[AuditLine, ...]]:
        """Return the number of lines that match, and one page of them, newest first. Blocks on SQL.

        ``since`` is inclusive, ``until`` exclusive.
        """
        wanted = []
        if actor is not None:
            wanted.append(table.c.actor == one_line(actor))
        if action is not None:
            wanted.append(table.c.action == one_line(action)[:64])
        if since is not None:
            wanted.append(table.c.at >= since)
        if until is not None:
            wanted.append(table.c.at < until)
        page = sa.select(table).where(*wanted).order_by(table.c.id.desc()).limit(limit).offset(offset)
        with self._catalog.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(table).where(*wanted)).scalar_one()
            return int(count), tuple(AuditLine(**row._mapping) for row in connection.execute(page))

    def _has_room(self, known: Principal | None, address: str, action: str, outcome: str) -> bool:
        self.tell_left_out()
        if known is None:
            refusal, refusals = Refusal(None, "", site_of(address)[:_ADDRESS], action[:64], outcome), self._of_strangers
        else:
            refusal, refusals = Refusal(known.user_id, known.username, "", action[:64], outcome), self._of_users
        with self._counting:
            return refusals.has_room(refusal)


_COLUMNS: Final = ("at", "actor_id", "actor", "address", "action", "target", "outcome", "detail")
_values: Final = itemgetter(*_COLUMNS)
_INSERT: Final = ManyRows(table, _COLUMNS)


def _insert(connection: Connection, lines: list[dict[str, Any]]) -> None:
    _INSERT.insert(connection, [_values(line) for line in lines])


def _into_log(lines: Iterable[dict[str, Any]]) -> None:
    for line in lines:
        log.error("audit.line_not_stored %s", {**line, "at": line["at"].isoformat()})


def one_line(text: str) -> str:
    """Return the text on one line of at most 500 characters.

    Control characters, characters that reverse or hide text or cannot be seen, and letters that no new name may have
    become ``\\u…``. A backslash is doubled, so that no text can pretend to be escaped.
    """
    if len(text) <= _CHARACTERS and text.isascii() and text.isprintable() and "\\" not in text:
        return text  # nearly every text
    cut = text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"
    return "".join(_escaped(character) for character in cut)


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    hides = character in _BLANKS or unicodedata.category(character) in _ESCAPED_CATEGORIES
    if hides or (character.isalnum() and not is_everyday(character)):
        return f"\\u{ord(character):04x}"
    return character


def _bounded(detail: dict[str, Any]) -> dict[str, Any]:
    """Return the detail, or what is short of it if it is long, with the names of what was left out."""
    if _is_surely_short(detail) or len(json.dumps(detail)) <= _DETAIL_BYTES:
        return detail
    short = {name: value for name, value in detail.items() if not isinstance(value, dict | list)}
    return {**dict(list(short.items())[:_SHORT_ITEMS]), "left_out": sorted(detail.keys() - short.keys())[:_SHORT_ITEMS]}


def _is_surely_short(detail: dict[str, Any]) -> bool:
    """Return True for nearly every detail: a few short texts, which need not be encoded to know that."""
    values = detail.values()
    return all(type(value) is str for value in values) and sum(map(len, (*detail, *values))) <= _SURELY_SHORT


def _plain(value: object, depth: int) -> Any:
    """Return the value as JSON that is safe to print: each text on one line, few items, not deeply nested."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth and isinstance(value, Mapping):
        return {one_line(str(key)): _plain(item, depth - 1) for key, item in list(value.items())[:_ITEMS]}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth - 1) for item in list(value)[:_ITEMS]]
    return one_line(str(value))
