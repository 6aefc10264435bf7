"""docs/security.md says what the walls do."""

import re

import pytest

from deployments.replica.flags import EVERYWHERE, ONE_MACHINE
from runtime.engines.rewound_places import IDLE_S
from runtime.sandbox.guest import confine
from runtime.sandbox.guest.rewind.state import ROWS
from runtime.sandbox.host.rewound_seat import MOST_AGE_S, MOST_RUNS
from runtime.sandbox.walls import identity, policy
from runtime.sandbox.walls.isolation import REQUIRED, remark
from runtime.sandbox.walls.rewinding.probe import GENERATOR_IN_MEMORY
from runtime.sandbox.walls.rules import ErrnoAnswer
from tests.unit.docs.markdown import ROOT, code, rows

PAGE = "docs/security.md"
CALLS = re.compile(r"`([a-z_0-9]+)`")


def test_every_value_of_isolation_stands_there_with_the_walls_that_it_asks_for() -> None:
    listed = {code(row["`isolation`"]): CALLS.findall(row["asks for"]) for row in rows(PAGE, "`isolation`")}
    as_root = {mode: [*walls, *(["throwaway_users"] if mode == "strict" else [])] for mode, walls in REQUIRED.items()}
    assert listed == as_root


def test_what_is_said_of_log_lines_is_what_they_end_with() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert all(f"`{remark(mode).strip()}`" in text for mode in ("minimal", "off"))


def test_calls_that_are_named_as_needed_are_in_the_seats_list() -> None:
    for row in rows(PAGE, "calls that work needs"):
        for call in CALLS.findall(row["calls that work needs"]):
            assert call in policy.SEAT, call


@pytest.mark.parametrize("rules", [policy.SEAT, policy.JOB], ids=["seat", "job"])
def test_calls_that_are_named_as_refused_are_in_no_list(rules: policy.Policy) -> None:
    for row in rows(PAGE, "calls that are refused"):
        named = CALLS.findall(row["calls that are refused"])
        assert named
        assert not set(named) & set(rules)


def test_calls_that_are_answered_without_happening_are_named() -> None:
    row = next(row for row in rows(PAGE, "calls that work needs") if "as if" in row["how far"])
    for call in CALLS.findall(row["calls that work needs"]):
        assert policy.SEAT[call] == ErrnoAnswer(0)


def test_bounds_of_the_kernels_memory_are_those_of_the_code() -> None:
    calls = {row["calls that work needs"].split(":")[0]: row["how far"] for row in rows(PAGE, "calls that work needs")}
    assert calls["waiting"].startswith(
        f"for {policy.MOST_POLLED} descriptors, or those below number {policy.MOST_POLLED}:"
    )
    kept = {next(iter(row.values())): row["most"] for row in rows(PAGE, "what a run can make the kernel keep")}
    assert kept["pending signals"] == f"{confine.SIGNALS} signals"
    counted = {row["what the kernel counts"]: row["a run may have"] for row in rows(PAGE, "what the kernel counts")}
    assert counted["pending signals"].startswith(f"{confine.SIGNALS},")


def test_the_flags_of_ray_are_those_that_are_set() -> None:
    shipped = {flag.name: flag.value for flag in (*EVERYWHERE, *ONE_MACHINE)}
    for row in rows(PAGE, "flag"):
        value = shipped[code(row["flag"])]
        told = row["what for"].split(":")[0].strip("`")
        assert told == value or ":" not in row["what for"]


def test_the_table_of_what_is_restored_is_that_of_the_code() -> None:
    listed = [tuple(row.values()) for row in rows(PAGE, "state of the process")]
    assert listed == [(row.name, row.fate.value, row.how) for row in ROWS]


def test_bounds_of_a_rewound_seat_are_those_of_the_code() -> None:
    text = " ".join((ROOT / PAGE).read_text(encoding="utf-8").split())
    assert f"after {MOST_RUNS:,} runs, after {MOST_AGE_S / 60:g} minutes, after a minute without a run" in text
    assert IDLE_S == 60
    least = ".".join(map(str, GENERATOR_IN_MEMORY))
    assert f"a C library before glibc {least}" in text


def test_calls_that_a_rewound_seat_lacks_are_named() -> None:
    less = {name for name, rule in policy.SEAT.items() if policy.REWOUND_SEAT.get(name) != rule}
    sentence = next(
        line for line in (ROOT / PAGE).read_text(encoding="utf-8").split("\n\n") if "of a rewound seat is" in line
    )
    assert less <= {*CALLS.findall(sentence)}
    assert set(policy.REWOUND_SEAT) <= set(policy.SEAT)


def test_the_ids_of_throwaway_users_are_those_that_are_drawn() -> None:
    first, last = identity._FIRST_UID, identity._FIRST_UID + identity._UIDS - 1
    assert f"between {first:,} and {last:,}" in " ".join((ROOT / PAGE).read_text(encoding="utf-8").split())
