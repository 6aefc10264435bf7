"""Tables of our own pages, as the tests read them."""

import re
from pathlib import Path

from pydantic import BaseModel

from runtime.task import MIB

ROOT = Path(__file__).resolve().parents[3]

Row = dict[str, str]


def tables(page: str) -> list[list[Row]]:
    """The tables of a page, each a list of rows by the name of their column."""
    found: list[list[Row]] = []
    columns: list[str] | None = None
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if columns is None:
            columns = cells
            found.append([])
        elif not set("".join(cells)) <= set("-: "):
            assert len(cells) == len(columns), f"{page}: {line}"
            found[-1].append(dict(zip(columns, cells, strict=True)))
    return found


def rows(page: str, first_column: str) -> list[Row]:
    """The rows of all tables whose first column has that name."""
    found = [row for table in tables(page) for row in table if next(iter(row)) == first_column]
    assert found, f"{page} has no table of {first_column}"
    return found


def code(cell: str) -> str:
    """What stands in backticks at the start of a cell."""
    match = re.match(r"`([^`]+)`", cell)
    assert match, cell
    return match[1]


def written(name: str, value: object) -> str:
    """A default as the tables show it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, tuple):
        return f"`{' '.join(value)}`"
    if isinstance(value, Path):
        return f"`{value}`"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and name.endswith("_bytes") and 0 < value < MIB:
        return f"{value // 1024} KiB"
    if isinstance(value, int) and name.endswith("_bytes"):
        return f"{value // (1024 * MIB)} GiB" if value % (1024 * MIB) == 0 else f"{value // MIB} MiB"
    return f"{value:g}" if isinstance(value, float) else str(value)
