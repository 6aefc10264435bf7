"""What is told of a task's own failure: its exception, its traceback, its output."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest
from graphistry.compute.ast import n
from graphistry.compute.exceptions import GFQLRemoteError

from tests.conftest import Person
from tests.wire.errors import REPOSITORY, assert_error

pytestmark = pytest.mark.e2e


FAILING: list[tuple[str, str]] = [
    (
        "def task(g):\n    print('so far')\n    return g._edges['nope']",
        "KeyError: 'nope' (the columns of this table are 's', 'd', 'w')\n"
        "  line 3, in task: return g._edges['nope']\nend of stdout:\n  so far",
    ),
    ("def task(g:\n    return 1", "  line 1: def task(g:"),
    ("import os\ndef task(g): os.fork()", "(tasks start no processes: use"),
    ("def task(g): return g.plot()", "return the graph, and plot or upload it"),
]


@pytest.mark.parametrize(("source", "said"), FAILING, ids=["KeyError", "syntax", "fork", "plot"])
def test_pygraphistry_shows_the_line_and_what_to_do(client: Any, people: str, source: str, said: str) -> None:
    with pytest.raises(GFQLRemoteError) as caught:
        client.bind(dataset_id=people).python_remote_json(source, validate=False)
    assert said in str(caught.value)


def test_gfql_remote_says_what_works_instead(client: Any, people: str) -> None:
    with pytest.raises(GFQLRemoteError, match=r"run the query in a task instead: g\.python_remote_g"):
        client.bind(dataset_id=people).gfql_remote([n()])


def test_a_result_whose_labels_are_left_out_says_so(alice: Person, people: str) -> None:
    answer = alice.run(people, "def task(g): return g._edges.iloc[:, 0].value_counts()")
    assert answer.headers["X-Result-Note"].endswith("call .reset_index() to send them as a column")
    receipt = alice.http.get(f"/api/v2/runs/{answer.headers['X-Run-Id']}").json()
    assert receipt["stderr"] == f"graphside: {answer.headers['X-Result-Note']}\n"


@pytest.mark.protocol("4.7")
def test_a_traceback_has_the_lines_that_the_user_wrote(alice: Person, people: str) -> None:
    source = textwrap.dedent("""\
        import sys

        def share(part, whole):
            return part / whole

        def task(g):
            print("so far")
            print("so bad", file=sys.stderr)
            return share(1, 0)
        """)
    indented = "\n".join("    " + line for line in source.split("\n"))  # as PyGraphistry sends it
    for sent in (source, indented):
        body = assert_error(alice.run(people, sent), 422, "TaskError")
        assert body["message"] == "ZeroDivisionError: division by zero"
        assert body["error"].splitlines() == [
            "ZeroDivisionError: division by zero",
            "  line 9, in task: return share(1, 0)",
            "  line 4, in share: return part / whole",
            "end of stdout:",
            "  so far",
            "end of stderr:",
            "  so bad",
        ]
        assert (body["exception_type"], body["exception_message"]) == ("ZeroDivisionError", "division by zero")
        assert body["frames"] == [
            {"line": 9, "function": "task", "source": "return share(1, 0)"},
            {"line": 4, "function": "share", "source": "return part / whole"},
        ]
        assert body["traceback"].splitlines() == [
            "Traceback (most recent call last):",
            '  File "<task>", line 9, in task',
            "    return share(1, 0)",
            "           ^^^^^^^^^^^",
            '  File "<task>", line 4, in share',
            "    return part / whole",
            "           ^^^^^^^^^^^^",
            "ZeroDivisionError: division by zero",
        ]
        assert (body["stdout"], body["stderr"]) == ("so far\n", "so bad\n")
        assert (body["stdout_truncated"], body["stderr_truncated"]) == (False, False)


FAILURES = [
    ("library", "def task(g): return g._edges['nope']", "KeyError", "'nope'"),
    ("top level", "raise LookupError('top')\ndef task(g): return 1", "LookupError", "top"),
    ("import", "import no_such_module\ndef task(g): return 1", "ModuleNotFoundError", "no_such_module"),
    ("exit", "import sys\ndef task(g): sys.exit(3)", "SystemExit", "3"),
    ("interrupt", "def task(g): raise KeyboardInterrupt", "KeyboardInterrupt", ""),
    ("own class", "class Odd(Exception): pass\ndef task(g): raise Odd('so')", "Odd", "so"),
    ("input", "def task(g): return input()", "EOFError", ""),
    ("recursion", "def task(g): return task(g)", "RecursionError", "recursion depth"),
    ("group", "def task(g): raise ExceptionGroup('both', [ValueError('a')])", "ExceptionGroup", "both"),
    ("no text", "class E(Exception):\n    def __str__(self): 1 / 0\ndef task(g): raise E", "E", ""),
    ("graphistry", "def task(g): return g.hop(hops='x')", None, ""),
    (
        "warning as error",
        "import warnings\ndef task(g):\n    warnings.simplefilter('error')\n    warnings.warn('w')",
        "UserWarning",
        "w",
    ),
]


@pytest.mark.protocol("4.7")
@pytest.mark.parametrize(
    ("source", "exception_type", "said"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
def test_any_exception_of_a_task_is_reported(
    alice: Person, people: str, source: str, exception_type: str | None, said: str
) -> None:
    body = assert_error(alice.run(people, source), 422, "TaskError")
    assert exception_type in (None, body["exception_type"])
    assert said in body["exception_message"]
    assert body["frames"]
    assert body["run_id"]


def test_the_cause_of_an_exception_is_part_of_its_traceback(alice: Person, people: str) -> None:
    source = """
        def task(g):
            try:
                1 / 0
            except ArithmeticError as error:
                raise ValueError("no") from error
    """
    traceback = assert_error(alice.run(people, source), 422, "TaskError")["traceback"]
    assert "direct cause" in traceback
    assert traceback.index("ZeroDivisionError") < traceback.index("ValueError: no")


def test_output_is_returned_with_every_kind_of_failure(alice: Person, people: str) -> None:
    for source, fields, kind in (
        ("print('seen')\ndef task(g): return object()", {}, "ResultNotSerializable"),
        ("print('seen')\ndef task(g):\n    while True: pass", {"timeout_s": 0.5}, "TaskTimeout"),
        ("import os\nprint('seen')\ndef task(g): os.abort()", {}, "TaskCrashed"),
        ("print('seen')\ndef task(g): return 'x' * 5000", {"result_bytes": 1000}, "ResultTooLarge"),
    ):
        assert assert_error(alice.run(people, source, **fields), 422, kind)["stdout"] == "seen\n"


SERVERS_OWN = (REPOSITORY, "deployments/", "runtime/", "auth/", "catalog/", "site-packages", ".venv", "sqlite")


BROKEN_TASKS = {
    "in the task": "def task(g): return 1 / 0",
    "in pandas": "def task(g): return g._edges['nope']",
    "in graphistry": "def task(g): return g.hop(hops='x')",
    "while it is encoded": "class Odd:\n    def __str__(self): 1 / 0\ndef task(g): return {Odd(): Odd()}",
    "at the top": "import no_such_module\ndef task(g): return 1",
}


@pytest.mark.claim(39)
@pytest.mark.parametrize("name", BROKEN_TASKS)
def test_the_traceback_of_a_task_has_the_users_frames_and_libraries_only(alice: Person, people: str, name: str) -> None:
    answer = alice.run(people, BROKEN_TASKS[name])
    assert answer.status_code == 422
    body = answer.json()
    for ours in SERVERS_OWN:
        assert ours not in answer.text
    for path in re.findall(r'File "([^"]+)"', body.get("traceback", "")):
        assert path == "<task>" or not path.startswith("/"), path
    assert all(frame.keys() == {"line", "function", "source"} for frame in body.get("frames", []))
