"""Attacks: our own (``tasks/*.task``, Python once tokens are filled in), and a collection that may lie nearby."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attacks.arena import Outcome

HERE = Path(__file__).resolve().parent
COLLECTION = Path(os.environ.get("GRAPHSIDE_HOSTILE_TASKS") or HERE.parents[2] / "shared" / "hostile" / "tasks.json")
ANY_DENIAL = {
    "BlockingIOError",
    "FileNotFoundError",
    "NotADirectoryError",
    "OSError",
    "PermissionError",
    "ProcessLookupError",
}

LIMITS_OF_OURS = {"scratch_depth", "threads"}
"""The collection has no word for a run that these ended; it is an error that says which, and what was observed."""


@dataclass(frozen=True)
class Attack:
    """``outcomes`` that are acceptable; ``errors``: exception types, empty for any; ``result``: where it ends well."""

    name: str
    code: str
    outcomes: frozenset[str]
    errors: frozenset[str]
    expectation: dict[str, Any]

    def judge(self, outcome: Outcome) -> None:
        """Fails where the attack did not end as it may."""
        told = f"{self.name} ended with {outcome.kind}: {outcome.stopped_by}"
        kind = outcome.kind
        if outcome.body.get("limit_name") in LIMITS_OF_OURS:
            kind = "error"
        if kind == "memory" and "memory" not in self.outcomes and outcome.exception:
            kind = "error"  # an uncaught MemoryError has a name of its own on our wire
        assert kind in self.outcomes, told
        if kind == "error" and self.errors and outcome.exception is not None:
            assert outcome.exception in self.errors, told
        if kind == "ok" and "result" in self.expectation:
            assert outcome.result == self.expectation["result"], told
        if "stdout" in self.expectation and kind != "ok":
            assert self.expectation["stdout"] in outcome.body.get("stdout", ""), told


def collection() -> list[Attack]:
    """The attacks of the collection; none where it is not there."""
    if not COLLECTION.is_file():
        return []
    tasks = json.loads(COLLECTION.read_text(encoding="utf-8"))["tasks"]
    return [_attack(task["name"], task["code"], task["expectation"]) for task in tasks]


def own() -> list[Attack]:
    """Ours: each file is a task, its docstring's last line the expectation as JSON."""
    found = []
    for path in sorted((HERE / "tasks").glob("*.task")):
        code = path.read_text(encoding="utf-8")
        docstring = code.split('"""')[1].strip()  # no Python yet: the tokens are not filled in
        found.append(_attack(path.stem, code, json.loads(docstring.splitlines()[-1])))
    return found


def _attack(name: str, code: str, expectation: dict[str, Any]) -> Attack:
    errors = set(expectation.get("error", ()))
    if errors & {"PermissionError", "OSError"}:
        errors |= ANY_DENIAL
    return Attack(name, code, frozenset(expectation["outcome"]), frozenset(errors), expectation)
