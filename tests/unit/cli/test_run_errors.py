"""``run`` of a task that fails: its output, and the marked line."""

from pathlib import Path
from typing import Any

import pytest

from deployments.cli.errors import Refused
from deployments.cli.run_errors import explain
from deployments.cli.task_source import TaskSource
from tests.unit.cli.conftest import Cli, SmallServer

PYTHON = "/api/v2/datasets/0123/python"
SOURCE = """\
    def deeper(g):
        return g._edges["nothing"]

    def task(g):
        print("looking")
        return deeper(g)
"""
FAILED: dict[str, Any] = {
    "error": "KeyError: 'nothing'\n  line 2, in deeper: return g._edges[\"nothing\"]\nend of stdout:\n  looking",
    "message": "KeyError: 'nothing'",
    "type": "TaskError",
    "run_id": "77",
    "stdout": "looking\n",
    "stderr": "",
    "frames": [
        {"line": 6, "function": "task", "source": "return deeper(g)"},
        {"line": 2, "function": "deeper", "source": 'return g._edges["nothing"]'},
    ],
    "traceback": (
        "Traceback (most recent call last):\n"
        '  File "<task>", line 6, in task\n    return deeper(g)\n           ^^^^^^^^^\n'
        '  File "<task>", line 2, in deeper\n    return g._edges["nothing"]\n           ~~~~~~~~^^^^^^^^^^^\n'
        "KeyError: 'nothing'\n"
    ),
}
WHERE = """\
stdout of the task:
looking
task.py, line 6, in task
     6 |         return deeper(g)
       |                ^^^^^^^^^
task.py, line 2, in deeper
>    2 |         return g._edges["nothing"]
"""


def test_a_failed_task_is_status_1_with_the_line_that_failed_marked(
    cli: Cli, signed_in: SmallServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.py").write_text(SOURCE)
    signed_in.on("POST", PYTHON, 422, FAILED)
    result = cli("run", "task.py", "--dataset", "0123")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == WHERE + "graphside: TaskError: KeyError: 'nothing' (run 77)\n"


@pytest.mark.parametrize(
    ("source", "body", "shown"),
    [
        (
            "def task(g) return 1\n",
            {"line": 1, "column": 13, "text": "def task(g) return 1"},
            "task.py, line 1, column 13\n>    1 | def task(g) return 1\n       |             ^\n",
        ),
        (
            "\tdef task(g) return 1\n",
            {"line": 1, "column": 13, "text": "def task(g) return 1"},
            "task.py, line 1, column 14\n>    1 | \tdef task(g) return 1\n       | \t            ^\n",
        ),
        (
            "x = '漢字' 1\n",
            {"line": 1, "column": 10, "text": "x = '漢字' 1"},
            "task.py, line 1, column 10\n>    1 | x = '漢字' 1\n       |            ^\n",
        ),
        (
            "x = (\n",
            {"line": 1, "column": 99, "text": "x = ("},
            "task.py, line 1, column 99\n>    1 | x = (\n       |      ^\n",
        ),
        ("x = 1\n", {"line": 1, "column": 1}, "task.py, line 1\n>    1 | \n"),
        ("x = 1\n", {"line": "1"}, ""),
    ],
    ids=["a column", "an indented text", "wide characters", "past the end", "no text", "no line"],
)
def test_a_source_that_does_not_compile_has_a_caret_under_the_column(
    capsys: pytest.CaptureFixture[str], source: str, body: dict[str, Any], shown: str
) -> None:
    refused = Refused("the source does not compile: invalid syntax (line 1)", 400, {"type": "InvalidSource", **body})
    assert explain(refused, TaskSource("task.py", source), {}).message == refused.message
    assert capsys.readouterr().err == shown


class TestWhatATaskWrote:
    def test_both_streams_are_shown_and_what_was_cut_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        body = {"stdout": "a\n\tb\n", "stderr": "c", "stderr_truncated": True}
        explain(Refused("no", 422, body), TaskSource("task.py", ""), {})
        assert capsys.readouterr().err == (
            "stdout of the task:\na\n\tb\nstderr of the task (the middle was dropped):\nc\n"
        )

    def test_nothing_in_it_acts_on_the_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        evil = "\x1b]0;title\x07\x9b2J\u202e"
        frame = {"line": 1, "function": f"f{evil}", "source": f"x{evil}"}
        body = {"type": "TaskError", "run_id": evil, "stdout": evil, "stderr": evil, "frames": [frame]}
        told = explain(Refused("no", 422, body), TaskSource("task.py", ""), {}).message
        shown = capsys.readouterr().err + told
        assert all(character.isprintable() or character == "\n" for character in shown)

    @pytest.mark.parametrize(
        "body",
        [
            {"frames": [1, {"line": "x"}, {}, None, {"line": 10**30}], "stdout": 7},
            {"frames": {"line": 1}, "line": True, "column": -5, "text": 3},
            {"frames": [{"line": -1, "function": None, "source": []}], "traceback": ["x"]},
            {"line": 1, "column": -(10**9), "text": "x"},
        ],
    )
    def test_a_body_of_nonsense_is_no_fault_of_ours(
        self, capsys: pytest.CaptureFixture[str], body: dict[str, Any]
    ) -> None:
        told = explain(Refused("no", 422, {"type": "TaskError", "run_id": "1", **body}), TaskSource("t", "x = 1"), {})
        assert told.message == "TaskError: no (run 1)"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, {"error": "dataset 0123 not found", "type": "NotFound"}, "dataset 0123 not found"),
        (
            422,
            {"error": "the task did not end within its limit of 1 s", "type": "TaskTimeout", "run_id": "7", "limit": 1},
            "TaskTimeout: the task did not end within its limit of 1 s (run 7)",
        ),
        (503, {"error": "the queue is full; try again later"}, "the queue is full; try again in 2 s"),
        (500, b"<html>", "is it a graphside server?"),
    ],
)
def test_what_else_can_happen_is_one_line(
    cli: Cli, signed_in: SmallServer, status: int, body: object, says: str
) -> None:
    signed_in.on("POST", PYTHON, status, body, **({"retry_after": "2"} if status == 503 else {}))
    result = cli("run", "-", "--dataset", "0123", typed="def task(g): return 1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
