"""Whether every operation of ``/openapi.json`` was asked for, well and badly."""

from collections.abc import Iterable
from typing import Any, TypeAlias  # Any: JSON

from tools.record_wire.exchange import Exchange

Operation: TypeAlias = tuple[str, str]
"""Method and path, without a trailing slash."""


def operations_of(document: dict[str, Any]) -> dict[Operation, dict[str, Any]]:
    """What the document says of each."""
    return {
        (method.upper(), path): described
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    }


def operation_of(exchange: Exchange) -> Operation:
    """Which one an exchange asks for."""
    return exchange.method, exchange.path.rstrip("/") or "/"


def gaps(document: dict[str, Any], exchanges: Iterable[Exchange], but_of: str) -> list[str]:
    """A line for each operation that no request of the set asks for, or none with success, or none in vain.

    Exchanges of the section ``but_of`` do not count as success: it asks for whatever the document names.
    """
    seen: dict[Operation, set[int]] = {}
    refused: set[Operation] = set()
    for exchange in exchanges:
        if f" / {but_of} / " not in exchange.name:
            seen.setdefault(operation_of(exchange), set()).add(exchange.status)
        if exchange.status >= 400:
            refused.add(operation_of(exchange))
    lines = []
    for operation, described in operations_of(document).items():
        named = " ".join(operation)
        statuses = seen.get(operation, set())
        if not statuses:
            lines.append(f"{named}: no request")
        elif min(statuses) >= 400:
            lines.append(f"{named}: no request that is answered well, only {sorted(statuses)}")
        elif is_guarded(described) and operation not in refused:
            lines.append(f"{named}: no request that is refused")
    return lines


def is_guarded(described: dict[str, Any]) -> bool:
    """Whether an operation asks everybody for a credential."""
    return {} not in (described.get("security") or [{}])


def answers_seen(document: dict[str, Any], exchanges: Iterable[Exchange]) -> tuple[int, int]:
    """How many documented pairs of operation and status there are, and how many of them were seen.

    Those of the server's own failures do not count, nor 405, which only other methods of a path get.
    """
    seen = {(*operation_of(exchange), exchange.status) for exchange in exchanges}
    documented = {
        (*operation, int(status))
        for operation, described in operations_of(document).items()
        for status in described["responses"]
        if int(status) < 500 and status != "405"
    }
    return len(documented), len(documented & seen)
