"""Two recordings side by side, as a list for people: each change once, with all places where it shows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.record_wire.differences import Change, changes
from tools.record_wire.exchange import Exchange

_NAMED: Final = 4
"""Places that are named of a change that shows in many."""


@dataclass(slots=True)
class Group:
    """A change, as it was met first, and where it shows: exchanges, and what differs in them."""

    change: Change
    exchanges: dict[str, None] = field(default_factory=dict)
    whats: dict[str, None] = field(default_factory=dict)


def report(before: Sequence[Exchange], after: Sequence[Exchange]) -> list[str]:
    """Lines; none where the two are the same."""
    was, now = _by_name(before), _by_name(after)
    lines = [
        *_listed("only before", (name for name in was if name not in now)),
        *_listed("only after", (name for name in now if name not in was)),
    ]
    common = [name for name in was if name in now]
    if not lines and common != list(now):
        lines.append("The exchanges come in another order.")
    groups = _groups(was, now, common)
    for group in groups:
        lines += ["", *_shown(group)]
    if groups:
        changed = {name for group in groups for name in group.exchanges}
        lines += ["", f"{len(groups)} changes, in {len(changed)} of {len(common)} exchanges"]
    return lines


def _by_name(exchanges: Iterable[Exchange]) -> dict[str, Exchange]:
    return {exchange.name: exchange for exchange in exchanges}


def _groups(was: Mapping[str, Exchange], now: Mapping[str, Exchange], names: Iterable[str]) -> list[Group]:
    """Those that show most often first."""
    groups: dict[tuple[str, ...], Group] = {}
    for name in names:
        for change in changes(was[name], now[name]):
            group = groups.setdefault(change.key, Group(change))
            group.exchanges[name] = None
            group.whats[change.what] = None
    return sorted(groups.values(), key=lambda group: -len(group.exchanges))


def _shown(group: Group) -> Iterator[str]:
    count = len(group.exchanges)
    yield f"{count} exchange{'s' * (count > 1)}: {_some(list(group.whats))}"
    yield from (f"  - {line}" for line in group.change.before)
    yield from (f"  + {line}" for line in group.change.after)
    names = list(group.exchanges)
    yield from (f"      in {name}" for name in names[:_NAMED])
    if len(names) > _NAMED:
        yield f"      and in {len(names) - _NAMED} more"


def _listed(title: str, names: Iterable[str]) -> list[str]:
    found = list(names)
    return [f"{len(found)} {title}:", *(f"  {name}" for name in found)] if found else []


def _some(items: list[str]) -> str:
    return ", ".join(items[:_NAMED]) + (f" and {len(items) - _NAMED} more" if len(items) > _NAMED else "")
