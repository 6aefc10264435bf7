"""What goes to the screen, and to programs that read it."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime


def printable(text: object) -> str:
    """The text as one line in which nothing moves the cursor or changes colours: servers send what users chose."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def printable_lines(text: str) -> str:
    """The same for text of several lines, which keeps its line breaks, tabs and blanks."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line) for line in lines)


def warn(text: str) -> None:
    """One line beside the output."""
    print(f"graphside: {printable(text)}", file=sys.stderr)


def remark(text: str) -> None:
    """One line for somebody who watches; nothing where standard error is no terminal."""
    if sys.stderr.isatty():
        print(printable(text), file=sys.stderr)


def show_rows(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for eyes; where the output is no terminal, lines with tabs and no heading, for ``cut`` and ``awk``."""
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
    """One thing: a line for each field, aligned for eyes, with a tab elsewhere."""
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        print(f"{name:<{width}}{printable(value)}" if sys.stdout.isatty() else f"{name}\t{printable(value)}")


def show_json(value: object) -> None:
    """What the server sent, for programs. All but ASCII is escaped, so that nothing in it can act on a terminal."""
    print(json.dumps(value, indent=2))


def counted(count: int, noun: str) -> str:
    """``1 edge``, ``1,234 edges``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def moment(text: object) -> str:
    """A time of the server's in UTC, to the second; what is no time as it is, nothing for None."""
    if text is None:
        return ""
    try:
        found = datetime.fromisoformat(str(text))
        aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return printable(text)
