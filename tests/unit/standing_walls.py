"""The walls that hold on the machine that runs the tests."""

from functools import cache

from runtime.sandbox.walls.enclosure import Walls
from runtime.sandbox.walls.isolation import choose_walls
from runtime.sandbox.walls.probe import examine


@cache
def walls() -> Walls:
    """What a server with default settings would stand behind here."""
    return choose_walls("minimal", examine(), is_root=True)
