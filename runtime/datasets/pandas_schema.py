"""The pandas note of a table's schema: kept if a frame needs it, dropped if it concerns an index.

pandas and pyarrow write a JSON note under the schema key ``pandas``. It makes a nullable ``Int64`` column come back as
``Int64``. The note comes from outside, so only its known parts are copied, each checked.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_KEY = b"pandas"
_INDEX_COLUMN = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True, slots=True)
class PandasNote:
    """The checked note: an entry for each column, as pyarrow reads it, and the names of index columns."""

    columns: dict[str, dict[str, Any]]  # Any: JSON, read by pyarrow
    index_columns: frozenset[str]

    @classmethod
    def of(cls, metadata: dict[bytes, bytes] | None) -> "PandasNote":
        """Return the note in a schema's metadata. A note that cannot be read counts as none."""
        try:
            note = json.loads((metadata or {}).get(_KEY, b"{}"))
        except (ValueError, RecursionError):
            note = {}
        if not isinstance(note, dict):
            return cls({}, frozenset())
        entries, index = note.get("columns"), note.get("index_columns")
        checked = (_entry(item) for item in (entries if isinstance(entries, list) else []))
        return cls(
            columns={entry["field_name"]: entry for entry in checked if entry is not None},
            index_columns=frozenset(i for i in (index if isinstance(index, list) else []) if isinstance(i, str)),
        )

    def is_index(self, name: str) -> bool:
        """Return whether a column is an index without a name. A named index is data and stays."""
        return name in self.index_columns and _INDEX_COLUMN.fullmatch(name) is not None

    def is_categorical(self, name: str) -> bool:
        """Return whether pandas wrote the column from a ``category``."""
        return self.columns.get(name, {}).get("pandas_type") == "categorical"

    def merged(self, other: "PandasNote") -> "PandasNote":
        """Return both notes in one; this note wins if they disagree on a column."""
        return PandasNote({**other.columns, **self.columns}, self.index_columns | other.index_columns)

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
