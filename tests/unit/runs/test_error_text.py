"""The text under ``error`` of a failed run, which is all that PyGraphistry shows."""

from typing import Any

from deployments.ingress.runs.error_text import error_text
from runtime.run_report import NO_OUTPUT, RunOutput

FRAMES = [
    {"line": 6, "function": "task", "source": "return deeper(g)"},
    {"line": 2, "function": "deeper", "source": "return g._edges['nope']"},
]


def printed(stdout: str = "", stderr: str = "") -> RunOutput:
    return {**NO_OUTPUT, "stdout": stdout, "stderr": stderr}


def test_it_has_the_users_lines_and_the_end_of_what_was_printed() -> None:
    assert error_text("KeyError: 'nope'", {"frames": FRAMES}, printed("a\nb\n", "w\n")).splitlines() == [
        "KeyError: 'nope'",
        "  line 6, in task: return deeper(g)",
        "  line 2, in deeper: return g._edges['nope']",
        "end of stdout:",
        "  a",
        "  b",
        "end of stderr:",
        "  w",
    ]


def test_source_that_does_not_compile_is_shown() -> None:
    text = error_text("the source does not compile: '(' was never closed (line 3)", {"line": 3, "text": "print("}, None)
    assert text.splitlines()[1:] == ["  line 3: print("]


def test_a_sentence_alone_stays_as_it_is() -> None:
    without: list[dict[str, Any]] = [{}, {"frames": []}, {"frames": [], "line": 1, "text": "x"}, {"line": 1}]
    for fields in without:
        assert error_text("no", fields, printed(" \n")) == "no"


def test_it_is_short_however_much_there_is() -> None:
    deep: list[dict[str, Any]] = [{"line": n, "function": "f", "source": "x" * 500} for n in range(100)]
    lines = error_text("no", {"frames": deep}, printed("y\n" * 5000, "z" * 100_000)).splitlines()
    assert [line.split(",")[0] for line in lines[1:6]] == ["  line 0", *(f"  line {n}" for n in range(96, 100))]
    assert len(lines) == 19
    assert sum(map(len, lines)) < 2500


def test_fields_that_a_task_forged_are_text() -> None:
    assert error_text("no", {"frames": [1, {"line": {}, "function": None, "source": 3}]}, None).count("\n") == 1
