"""Reads a list that the server returns page by page."""

from collections.abc import Mapping
from typing import Any  # JSON values

from deployments.cli.answers import expect, objects
from deployments.cli.connection import Server
from deployments.cli.terminal import warn

_PAGE = 1000


def listed(server: Server, path: str, most: int, query: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return the first ``most`` results in the server's order, and warn if there are more.

    Parameters in ``query`` that are None are not sent.
    """
    asked: dict[str, str | int] = {name: value for name, value in query.items() if value is not None}
    found: list[dict[str, Any]] = []
    while True:
        page = {"limit": min(_PAGE, most - len(found)), "offset": len(found)}
        answer = server.send("GET", path, query={**asked, **page})
        results = objects(answer, "results")
        found += results
        count = expect(answer, "count", int)
        if not results or len(found) >= min(most, count):
            break
    if count > len(found):
        warn(f"{len(found)} of {count} are shown; --limit {count} shows all")
    return found
