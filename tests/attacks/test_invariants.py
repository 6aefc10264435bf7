"""The look after each attack sees what it is there for: every invariant, broken alone, is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.attacks.state import MEMORY_SLACK, RUNNER_SLACK, State

BEFORE = State(
    server=("1 1.0", "2 2.0"), holders=(3,), seats=2, strangers=(), zombies=(), scratch_directories=2, scratch=(),
    outside=("outside 777 0 ", "file 644 0 theirs"), dataset="digest", runner_descriptors=80, template_descriptors=20,
    holder_descriptors=10, template_bytes=10**8, holder_bytes=10**7,
)  # fmt: skip

BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("replaced", {"server": ("1 1.0", "4 3.0")}),
    ("replaced", {"server": ("1 1.0",)}),
    ("holder was replaced", {"holders": (4,)}),
    ("alive", {"strangers": ("python",)}),
    ("reaped", {"zombies": ("python",)}),
    ("seat is left", {"seats": 3}),
    ("left in scratch", {"scratch": ("/scratch/x/file",)}),
    ("scratch directory", {"scratch_directories": 3}),
    ("outside", {"outside": ("outside 777 0 ", "file 600 0 theirs")}),
    ("dataset's file", {"dataset": "another"}),
    ("template keeps", {"template_descriptors": 21}),
    ("holder keeps", {"holder_descriptors": 11}),
    ("server keeps", {"runner_descriptors": 81 + RUNNER_SLACK}),
    ("template_bytes", {"template_bytes": 10**8 + MEMORY_SLACK + 1}),
    ("holder_bytes", {"holder_bytes": 10**7 + MEMORY_SLACK + 1}),
]


def test_an_unchanged_state_breaks_no_invariant() -> None:
    BEFORE.compare(BEFORE)


@pytest.mark.parametrize(("told", "changes"), BROKEN, ids=[told for told, _ in BROKEN])
def test_each_invariant_is_named_when_it_breaks(told: str, changes: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=told):
        replace(BEFORE, **changes).compare(BEFORE)
