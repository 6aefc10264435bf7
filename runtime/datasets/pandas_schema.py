"""What a table's schema says about pandas: kept where a frame needs it, dropped where it speaks of an index.

pandas and pyarrow leave a JSON note under the schema key ``pandas``. It is what makes a nullable ``Int64``
column come back as ``Int64``. It was written by whoever made the upload, so only its known parts are copied,
each checked.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_KEY = b"pandas"
_INDEX_COLUMN = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True, slots=True)
class PandasNote:
    """The checked note: an entry a column, as pyarrow reads it, and the names of index columns."""

    columns: dict[str, dict[str, Any]]  # Any: JSON, read by pyarrow
    index_columns: frozenset[str]

    @classmethod
    def of(cls, metadata: dict[bytes, bytes] | None) -> "PandasNote":
        """The note in a schema's metadata. A note that cannot be read counts as none."""
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
        """Whether a column holds nothing but an index without a name. A named index is data, and stays."""
        return name in self.index_columns and _INDEX_COLUMN.fullmatch(name) is not None

    def is_categorical(self, name: str) -> bool:
        """Whether pandas wrote the column from a ``category``."""
        return self.columns.get(name, {}).get("pandas_type") == "categorical"

    def merged(self, other: "PandasNote") -> "PandasNote":
        """Both notes; where they disagree on a column, this one."""
        return PandasNote({**other.columns, **self.columns}, self.index_columns | other.index_columns)

    def metadata(self, names: list[str]) -> dict[bytes, bytes] | None:
        """Schema metadata for a table of these columns, whose frame has a plain range for its index."""
        # A time zone is said by the column's own type; where the note disagreed, pyarrow would shift the times.
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
    """One column's entry with its strings checked, or ``None``."""
    if not isinstance(item, dict):
        return None
    # Writers before 2018 gave no field_name; the name was the field's then.
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
