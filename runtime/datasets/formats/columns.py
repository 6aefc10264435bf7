"""Options that name columns, and the error for a column that is not there."""

from collections.abc import Iterable, Sequence

from runtime.datasets.formats import bounds
from runtime.datasets.formats.options import Options, positions
from runtime.errors import InvalidTable

_TOLD = 20


def date_places(options: Options) -> list[str | int]:
    """Return the columns that ``parse_dates`` names. True and false concern an index, and tables have none."""
    if str(options.get("parse_dates")).lower() in ("true", "false"):
        return []
    return positions(options, "parse_dates", bounds.MAX_COLUMNS) or []


def named(option: str, places: Iterable[str | int], names: Sequence[str]) -> list[str]:
    """Return the names of columns that an option gives by name or by position. Raises ``InvalidTable``."""
    given = list(places)
    known = set(names)
    chosen = [names[item] if isinstance(item, int) and item < len(names) else item for item in given]
    for item in chosen:
        if isinstance(item, int):
            raise InvalidTable(f"option {option!r} has the position {item}, and the table has {len(names)} columns")
    refuse_missing(option, [item for item in chosen if isinstance(item, str) and item not in known], names)
    return [str(item) for item in chosen]


def refuse_missing(option: str, asked: Iterable[str], names: Sequence[str]) -> None:
    """Raise ``InvalidTable`` for a name that no column has; it says which names there are."""
    known = set(names)
    missing = next((name for name in asked if name not in known), None)
    if missing is not None:
        told = ", ".join(repr(name[:60]) for name in names[:_TOLD]) + (", …" if len(names) > _TOLD else "")
        raise InvalidTable(
            f"option {option!r} names column {missing[:60]!r}, which the table does not have; its columns are {told}"
        )
