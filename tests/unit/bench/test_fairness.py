"""The table of fairness: each flood by the call that suffers most, and every refusal."""

import pytest

from bench.apps.flood import FLOODS
from bench.sections.fairness import Calls, Phase, _table
from bench.targets import GOALS


def calls(milliseconds: float, refused: int = 0) -> Calls:
    return Calls([milliseconds / 1000] * 100, ["503"] * refused)


@pytest.fixture
def phase() -> Phase:
    quiet = {"run": calls(10), "list": calls(4)}
    return Phase("long lists", quiet, {"run": calls(20), "list": calls(12, refused=2)}, {"200": 7})


def test_the_call_that_suffers_most_is_judged(phase: Phase) -> None:
    measures = _table([phase]).measures
    assert measures["fairness.long_lists.p50"].value == pytest.approx(3)
    assert measures["fairness.long_lists.p50"].at == "list"


def test_refusals_are_counted_and_shown(phase: Phase) -> None:
    table = _table([phase])
    assert table.measures["fairness.refused"].value == 2
    assert [row[-2:] for row in table.rows] == [("0", "7 x 200"), ("2 x 503", "7 x 200")]


def test_every_flood_has_its_targets() -> None:
    kinds = {goal.key.split(".")[1] for goal in GOALS if goal.section == "fairness"}
    assert kinds == {name.replace(" ", "_") for name in FLOODS} | {"refused"}
