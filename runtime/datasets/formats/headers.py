"""Names of columns from a header row, as pandas makes them."""

from collections import Counter


def unique(names: list[str]) -> list[str]:
    """Return unique names: ``a``, ``a.1``, ``Unnamed: 2``; never a name that another column has."""
    taken = set(names)
    seen: set[str] = set()
    times: Counter[str] = Counter()
    header = []
    for position, name in enumerate(names):
        plain = name or f"Unnamed: {position}"
        found = plain
        while found in seen or (times[plain] and found in taken):
            times[plain] += 1
            found = f"{plain}.{times[plain]}"
        seen.add(found)
        header.append(found)
    return header
