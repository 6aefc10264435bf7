"""The audit of all that was asked before."""

from typing import Final

from tools.record_wire.cast import Cast
from tools.record_wire.wire import Wire, request_of

_AUDIT: Final = "/api/v2/admin/audit"


def ask(wire: Wire, cast: Cast) -> None:
    """Lines are written some tenths of a second after what they tell of."""
    wire.section = "audit"
    seen: list[int] = []

    def is_still(count: int) -> bool:
        seen.append(count)
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    whole = request_of("GET", _AUDIT, cast.admin, query="limit=1")
    wire.until(whole, lambda answer: is_still(int(answer.json()["count"])))
    wire.ask("the newest", "GET", _AUDIT, cast.admin, query="limit=40")
    wire.ask("a page", "GET", f"{_AUDIT}/", cast.admin, query="limit=2&offset=2")
    actions = ("log_in", "user.add", "flag.set", "dataset.share", "file.upload", "run", "organization.set_member", "no")
    for action in actions:
        wire.ask(f"action {action}", "GET", _AUDIT, cast.admin, query=f"action={action}&limit=20")
    wire.ask("actor", "GET", _AUDIT, cast.admin, query="actor=ann&limit=3")
    for query in (
        "since=2000-01-01", "until=2000-01-01", "since=2000-01-01T00:00:00Z&until=2100-01-01&limit=1",
        "since=yesterday", "until=2026-13-01", "limit=x", "since=&until=&limit=1", "since=0001-01-01T00:00:00%2B23:00",
    ):  # fmt: skip
        wire.ask(query, "GET", _AUDIT, cast.admin, query=query if "limit" in query else f"{query}&limit=1")
    wire.ask("as a user", "GET", _AUDIT, cast.ann)
