"""Refuses bindings that name no column of their table, when the table is uploaded and before anybody runs a task on it.

A dataset may get its tables later than its bindings (protocol 3.1), so each table is compared when it comes. What a
stored dataset lacked already is no reason to refuse a new table of the same columns.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final  # Any: JSON

from auth.names import shown
from deployments.ingress.errors import InvalidRequest
from runtime.datasets.records import Role

ENCODINGS: Final[Mapping[Role, str]] = {"nodes": "node_encodings", "edges": "edge_encodings"}
"""The key of the body that has the encodings of each role."""

_OF_NODES: Final = ("node", "node_color", "node_label", "node_opacity", "node_size", "node_title", "node_weight",
                    "node_icon", "node_x", "node_y", "node_longitude", "node_latitude")  # fmt: skip
_OF_EDGES: Final = ("source", "destination", "edge_color", "edge_source_color", "edge_destination_color", "edge_label",
                    "edge_opacity", "edge_size", "edge_title", "edge_weight", "edge_icon")  # fmt: skip
BINDINGS: Final[Mapping[Role, Collection[str]]] = {"nodes": _OF_NODES, "edges": _OF_EDGES}
"""The bindings that name columns (protocol 3.1). Others are kept and mean nothing here."""

_COMPUTED: Final = frozenset(("pointAxisEncoding",))
"""Complex encodings of an attribute that the viewer computes, such as the degree."""

_SHOWN: Final = 20


def check_bindings(
    payload: Mapping[str, Any], role: Role, columns: Collection[str], before: Collection[str] | None
) -> None:
    """Raise ``InvalidRequest`` if something is bound to a column that the table of this role does not have.

    ``before`` are the columns of the table that is replaced, if there is one.
    """
    for name, column in _bound(payload.get(ENCODINGS[role]), role):
        if column in columns or (before is not None and column not in before):
            continue
        known = ", ".join(map(shown, list(columns)[:_SHOWN])) + (", …" if len(columns) > _SHOWN else "")
        raise InvalidRequest(
            f"{ENCODINGS[role]}.{name} names the column {shown(column)!r}, which the table of {role} does not have; "
            f"its columns are {known or 'none'}"
        )


def _bound(encodings: Any, role: Role) -> Iterator[tuple[str, str]]:
    """Yield each binding and complex encoding as its path in the encodings, and the column that it names."""
    if not isinstance(encodings, dict):
        return
    for name, column in _items(encodings.get("bindings")):
        if name in BINDINGS[role] and isinstance(column, str) and column:
            yield f"bindings.{name}", column
    for mode, named in _items(encodings.get("complex")):
        for name, encoding in _items(named):
            column = encoding.get("attribute") if isinstance(encoding, dict) else None
            if mode in ("default", "current") and name not in _COMPUTED and isinstance(column, str):
                yield f"complex.{mode}.{shown(name)}.attribute", column


def _items(value: Any) -> Collection[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()
