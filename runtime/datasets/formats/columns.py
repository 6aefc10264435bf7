"""Options that name columns: the error for a column that is not there."""

from collections.abc import Iterable, Sequence

from runtime.errors import InvalidTable

_TOLD = 20


def refuse_missing(option: str, asked: Iterable[str], names: Sequence[str]) -> None:
    """Raise ``InvalidTable`` for a name that no column has; it says which names there are."""
    known = set(names)
    missing = next((name for name in asked if name not in known), None)
    if missing is not None:
        told = ", ".join(repr(name[:60]) for name in names[:_TOLD]) + (", …" if len(names) > _TOLD else "")
        raise InvalidTable(
            f"option {option!r} names column {missing[:60]!r}, which the table does not have; its columns are {told}"
        )
