"""Target, measured, met or not."""

import pytest

from bench.report import Measure
from bench.sections import SECTIONS
from bench.targets import GOALS, Goal, table


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (Goal("a.b", "", at_most=1.6), 1.6, "met"),
        (Goal("a.b", "", at_most=1.6), 1.61, "NOT met"),
        (Goal("a.b", "", at_least=10), 10.0, "met"),
        (Goal("a.b", "", at_least=10), 9.99, "NOT met"),
        (Goal("a.b", ""), 4.0, "printed"),
        (Goal("a.b", "", at_most=1), None, "not measured"),
        (Goal("a.b", ""), None, "not measured"),
    ],
)
def test_a_limit_includes_itself(goal: Goal, value: float | None, verdict: str) -> None:
    assert goal.verdict(None if value is None else Measure(value)) == verdict


def test_the_table_says_what_was_measured_and_at_what() -> None:
    measures = {"upload.over_copy": Measure(2.345678, "200 MB"), "upload.ingress": Measure(70.04)}
    shown = {row[0]: row[1:] for row in table(measures, ["upload"]).rows}
    assert shown["upload of 1 GB of Arrow, over copying the file"] == ("at most 3x", "2.35x (200 MB)", "met")
    assert ("at most 64 MB", "70 MB", "NOT met") in shown.values()
    assert ("at most 64 MB", "", "not measured") in shown.values()


def test_the_table_counts_what_is_met_of_what_was_measured() -> None:
    measures = {"size.p50": Measure(1.1), "size.run_memory": Measure(9.0)}
    assert table(measures, ["size", "cold"]).notes == ("1 of 2 that were measured are met.",)


def test_sections_that_did_not_run_are_left_out() -> None:
    assert {goal.section for goal in GOALS} > {"cold"}
    assert len(table({}, ["cold"]).rows) == sum(goal.section == "cold" for goal in GOALS)


def test_keys_are_of_one_goal_each() -> None:
    assert len({goal.key for goal in GOALS}) == len(GOALS)


def test_every_section_of_ours_says_on_the_page_how_it_measures() -> None:
    assert [name for name, section in SECTIONS.items() if not section.summary] == []
    assert {goal.section for goal in GOALS if goal.section in SECTIONS and not SECTIONS[goal.section].how} == set()
