"""Writes to the terminal, and to programs that read the output."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime


def printable(text: object) -> str:
    """Return the text on one line, without characters that move the cursor or change colors.

    A server's answers contain names and texts that any user may have chosen.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def printable_lines(text: str) -> str:
    """Return a text of several lines without control characters. It keeps its line breaks, tabs and blanks."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line) for line in lines)


def warn(text: str) -> None:
    """Write one line to standard error."""
    print(f"graphside: {printable(text)}", file=sys.stderr)


def remark(text: str) -> None:
    """Write one line to standard error if it is a terminal."""
    if sys.stderr.isatty():
        print(printable(text), file=sys.stderr)


def show_rows(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table. If the output is not a terminal, print lines with tabs and no heading, for ``cut`` and ``awk``."""
    lines = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in lines:
            print("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)


def show_fields(fields: Mapping[str, object]) -> None:
    """Print one line for each field: aligned on a terminal, else with a tab after the name."""
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        print(f"{name:<{width}}{printable(value)}" if sys.stdout.isatty() else f"{name}\t{printable(value)}")


def show_json(value: object) -> None:
    """Print JSON for programs. All but ASCII is escaped, so that nothing in it can act on a terminal."""
    print(json.dumps(value, indent=2))


def counted(count: int, noun: str) -> str:
    """Return ``1 edge`` or ``1,234 edges``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def moment(text: object) -> str:
    """Return a time from the server in UTC, to the second. None is empty; a text that is not a time is kept."""
    if text is None:
        return ""
    try:
        found = datetime.fromisoformat(str(text))
        aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return printable(text)
