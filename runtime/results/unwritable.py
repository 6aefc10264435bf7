"""The error for a value that a format has no form for."""

from collections.abc import Iterator
from contextlib import contextmanager

from runtime.text import clip, type_name


class Unwritable(Exception):
    """A value has no encoding. ``reason`` is the end of a sentence; ``path`` leads from the result to the value.

    Each function that descended into a container adds its step to the front of the path.
    """

    def __init__(self, reason: str, path: list[object] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[object] = path or []

    def where(self) -> str:
        """The path as Python would write it: ``result['nodes'][3]``."""
        return clip("result" + "".join(f"[{_short(step)}]" for step in self.path), 1000)


@contextmanager
def found_at(step: object) -> Iterator[None]:
    """Add a step, such as the name of a column, to the front of the path of an ``Unwritable``."""
    try:
        yield
    except Unwritable as exc:
        exc.path.insert(0, step)
        raise


def _short(step: object) -> str:
    try:
        return clip(repr(step), 80)
    except Exception:  # a key's own __repr__
        return f"<{type_name(type(step))}>"
