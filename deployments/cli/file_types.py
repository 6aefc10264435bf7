"""What a file is, by its name: ``edges.csv.gz`` is gzipped CSV."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final  # Any: JSON values

from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable

_TYPES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    ".arrow": ("arrow", {}),
    ".feather": ("arrow", {}),
    ".parquet": ("parquet", {}),
    ".pq": ("parquet", {}),
    ".csv": ("csv", {}),
    ".tsv": ("csv", {"sep": "\t"}),
    ".json": ("json", {}),
    ".jsonl": ("json", {"lines": True}),
    ".ndjson": ("json", {"lines": True}),
    ".orc": ("orc", {}),
    ".xlsx": ("xlsx", {}),
    ".xls": ("xls", {}),
}
"""By ending: what the server calls it, and its parser options."""

_COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zip": "zip", ".xz": "xz", ".zst": "zstd"}


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file with one table, and how the server is to read it. ``stem`` is its name without its endings."""

    path: Path
    stem: str
    file_type: str
    compression: str
    byte_count: int
    parser_options: dict[str, Any] = field(default_factory=dict)


def table_file(path: Path) -> TableFile:
    """Raises ``WrongInput`` for a file that is not there, is empty, or whose name does not say what it is."""
    endings = [ending.lower() for ending in path.suffixes]
    compression = _COMPRESSIONS.get(endings[-1], "") if endings else ""
    kind = endings[-2:-1] if compression else endings[-1:]
    if not kind or kind[0] not in _TYPES:
        known = " ".join(_TYPES)
        raise WrongInput(
            f"{printable(path)}: its name does not say what it is; known endings are {known}, "
            f"and after them {' '.join(_COMPRESSIONS)}"
        )
    file_type, options = _TYPES[kind[0]]
    try:
        with open(path, "rb"):
            byte_count = path.stat().st_size
    except OSError as error:
        raise WrongInput(f"{printable(path)} cannot be read: {error.strerror}") from None
    if not path.is_file():
        raise WrongInput(f"{printable(path)} is no regular file")
    if byte_count == 0:
        raise WrongInput(f"{printable(path)} is empty")
    stem = path.with_suffix("").stem if compression else path.stem
    return TableFile(path, stem, file_type, compression, byte_count, dict(options))
