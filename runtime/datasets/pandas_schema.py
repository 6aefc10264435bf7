"""The pandas note of a table's schema: kept if a frame needs it, dropped if it concerns an index.

pandas and pyarrow write a JSON note under the schema key ``pandas``. It makes a nullable ``Int64`` column come back as
``Int64``. The note comes from outside, so only its known parts are copied, each checked.

A stored table has an entry for every integer column with nulls, so that frames never hold its integers as floats.
Tables that were stored before this rule have no such entry: their columns stay ``float64``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa

_KEY = b"pandas"
_INDEX_COLUMN = re.compile(r"__index_level_\d+__")

NULLABLE_INTEGERS: Final[Mapping[pa.DataType, str]] = {
    getattr(pa, f"{sign.lower()}int{bits}")(): f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)
}
"""The pandas dtype of an integer column with nulls, by its Arrow type."""


@dataclass(frozen=True, slots=True)
class NamedRange:
    """An index with a name that pandas describes by its numbers instead of writing a column."""

    name: str
    numbers: range


@dataclass(frozen=True, slots=True)
class PandasNote:
    """The checked note: an entry for each column, as pyarrow reads it, and what it says of the index.

    ``level_names``: for an index column whose field cannot have the index's name, this name. ``named_range``: an index
    that is no column at all.
    """

    columns: dict[str, dict[str, Any]]  # Any: JSON, read by pyarrow
    index_columns: frozenset[str]
    level_names: dict[str, str] = field(default_factory=dict)
    named_range: NamedRange | None = None

    @classmethod
    def of(cls, metadata: dict[bytes, bytes] | None) -> "PandasNote":
        """Return the note in a schema's metadata. A note that cannot be read counts as none."""
        try:
            note = json.loads((metadata or {}).get(_KEY, b"{}"))
        except (ValueError, RecursionError):
            note = {}
        if not isinstance(note, dict):
            return cls({}, frozenset())
        entries, index = _listed(note, "columns"), _listed(note, "index_columns")
        checked = (_entry(item) for item in entries)
        index_columns = frozenset(item for item in index if isinstance(item, str))
        ranges = (_named_range(item) for item in index)
        return cls(
            columns={entry["field_name"]: entry for entry in checked if entry is not None},
            index_columns=index_columns,
            level_names=_level_names(entries, index_columns),
            named_range=next((found for found in ranges if found is not None), None),
        )

    def is_index(self, name: str) -> bool:
        """Return whether a column is an index whose name, if it has one, is not the name of the field."""
        return name in self.index_columns and _INDEX_COLUMN.fullmatch(name) is not None

    def is_categorical(self, name: str) -> bool:
        """Return whether pandas wrote the column from a ``category``."""
        return self.columns.get(name, {}).get("pandas_type") == "categorical"

    def merged(self, other: "PandasNote") -> "PandasNote":
        """Return both notes in one; this note wins if they disagree on a column."""
        return PandasNote({**other.columns, **self.columns}, self.index_columns | other.index_columns)

    def with_nullable(self, integers: Mapping[str, pa.DataType]) -> "PandasNote":
        """Return the note with an entry for each of these integer columns, which have nulls."""
        entries = {name: _nullable_entry(name, given) for name, given in integers.items()}
        suits = {
            name
            for name, entry in entries.items()
            if self.columns.get(name, {}).get("numpy_type") in (entry["numpy_type"], f"{integers[name]}[pyarrow]")
        }
        added = {name: entry for name, entry in entries.items() if name not in suits}
        return replace(self, columns={**self.columns, **added})

    def metadata(self, names: list[str]) -> dict[bytes, bytes] | None:
        """Return the schema metadata for a table of these columns; its frame has a plain range index."""
        # The column's own type names the time zone; pyarrow would shift the times if the note disagreed.
        entries = [
            self.columns[name]
            for name in names
            if name in self.columns and self.columns[name]["pandas_type"] != "datetimetz"
        ]
        if not entries:
            return None
        note = {"index_columns": [], "column_indexes": [], "columns": entries, "pandas_version": "3.0.0"}
        return {_KEY: json.dumps(note).encode()}


def _nullable_entry(name: str, given: pa.DataType) -> dict[str, Any]:
    strings = {"pandas_type": str(given), "numpy_type": NULLABLE_INTEGERS[given]}
    return {"name": name, "field_name": name, **strings, "metadata": None}


def _listed(note: Mapping[str, Any], key: str) -> list[Any]:  # Any: JSON of unknown shape
    found = note.get(key)
    return found if isinstance(found, list) else []


def _level_names(entries: list[Any], index_columns: frozenset[str]) -> dict[str, str]:
    """Return the names of index levels by their fields, if the field is called otherwise."""
    levels = (item for item in entries if isinstance(item, dict) and isinstance(item.get("name"), str))
    return {
        level["field_name"]: level["name"]
        for level in levels
        if isinstance(level.get("field_name"), str)
        and level["field_name"] in index_columns
        and level["field_name"] != level["name"]
    }


def _named_range(item: Any) -> NamedRange | None:  # Any: JSON of unknown shape
    """Return the index that a description of a ``RangeIndex`` means; None if it has no name."""
    if not isinstance(item, dict) or item.get("kind") != "range" or not isinstance(item.get("name"), str):
        return None
    start, stop, step = (item.get(key) for key in ("start", "stop", "step"))
    if not all(type(number) is int and -(2**63) <= number < 2**63 for number in (start, stop, step)) or not step:
        return None
    return NamedRange(item["name"], range(start, stop, step))  # type: ignore[arg-type]  # they are integers


def _entry(item: Any) -> dict[str, Any] | None:  # Any: JSON of unknown shape
    """Return one column's entry with its strings checked, or ``None``."""
    if not isinstance(item, dict):
        return None
    # Writers before 2018 gave no field_name; name was the name of the field.
    field = item.get("field_name", item.get("name"))
    strings = {"pandas_type": item.get("pandas_type"), "numpy_type": item.get("numpy_type")}
    if not isinstance(field, str) or not all(isinstance(value, str) for value in strings.values()):
        return None
    extra = item.get("metadata")
    return {
        "name": field,
        "field_name": field,
        **strings,
        "metadata": extra if isinstance(extra, dict) else None,
    }
