"""Shows a result on a terminal: JSON indented, the first rows of tables, text without control characters."""

import io
import json
from typing import Any, BinaryIO, Final, TypeGuard  # Any: JSON values

from deployments.cli.tables import (
    preview_of_csv,
    preview_of_parquet,
    preview_of_records,
    show_table,
)
from deployments.cli.terminal import printable, printable_lines
from runtime.results.kinds import media_type

_PREVIEWS: Final = {media_type("csv"): preview_of_csv, media_type("parquet"): preview_of_parquet}
"""The first rows of tables, by media type."""

_MOST_TO_INDENT: Final = 16 * 1024 * 1024
"""Bytes. Longer JSON is shown as it came."""


def show_result(file: BinaryIO, content_type: str, output_type: str) -> None:
    """Print the result of a run on standard output."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == media_type("json"):
        _show_json(file, output_type)
    elif kind in _PREVIEWS:
        show_table(_PREVIEWS[kind](file))
    elif kind.startswith("text/"):
        _show_text(file)
    else:
        size = file.seek(0, 2)
        print(f"{size:,} bytes of {printable(kind) or 'unknown type'} cannot be shown on a terminal; use -o FILE")


def _show_json(file: BinaryIO, output_type: str) -> None:
    data = file.read(_MOST_TO_INDENT + 1)
    try:
        value = json.loads(data) if len(data) <= _MOST_TO_INDENT else None
    except (ValueError, RecursionError):
        value = None
    if value is None and data.strip() != b"null":
        file.seek(0)
        return _show_text(file)
    if output_type in ("nodes", "edges", "table", "shape") and _is_records(value):
        return show_table(preview_of_records(value))
    if output_type == "all" and isinstance(value, dict) and value and all(map(_is_records, value.values())):
        for role, records in value.items():
            show_table(preview_of_records(records), role)
        return
    print(_visible(json.dumps(value, indent=2, ensure_ascii=False)))


def _show_text(file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace")
    last = ""
    while shown := printable_lines(text.read(1024 * 1024)):
        print(shown, end="")
        last = shown[-1]
    if last != "\n":
        print()
    text.detach()  # because the caller closes the file


def _is_records(value: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(record, dict) for record in value)


def _visible(text: str) -> str:
    """Escape unprintable characters of a JSON text as JSON does; only strings can contain them."""
    return "\n".join(line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n"))


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]
