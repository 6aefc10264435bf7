"""``run`` on the command line against the live server."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.conftest import LiveServer, Person
from tests.terminal import Terminal
from tests.wire.conftest import Command, variables_of

pytestmark = pytest.mark.e2e

GRAPH = "def task(g): return g\n"


def test_a_result_is_what_the_server_sent(as_alice: Command, people: str) -> None:
    done = as_alice("run", "-", "--dataset", people, typed="def task(g): return {'rows': len(g._edges), 'x': 1.50}")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"rows":3,"x":1.5}', "")


@pytest.mark.parametrize(
    ("options", "text"), [((), "hello"), (("--engine", "pandas"), '"hello"')], ids=["no engine", "an engine"]
)
def test_text_is_text_unless_an_engine_is_named(
    as_alice: Command, people: str, options: tuple[str, ...], text: str
) -> None:
    assert as_alice("run", "-", "--dataset", people, *options, typed="def task(g): return 'hello'").stdout == text


@pytest.mark.parametrize(
    ("output_type", "wanted"),
    [
        ("nodes", "id,age\na,30\nb,41\nc,52\nd,63\n"),
        ("edges", "s,d,w\na,b,1.5\nb,c,2.5\nc,d,\n"),
        ("shape", "kind,rows,cols\nnodes,4,2\nedges,3,3\n"),
    ],
)
def test_tables_come_as_csv(as_alice: Command, people: str, output_type: str, wanted: str) -> None:
    done = as_alice("run", "-", "--dataset", people, "--output-type", output_type, "--format", "csv", typed=GRAPH)
    assert done.stdout.replace('"', "") == wanted, done.stderr


def test_a_table_is_written_as_parquet(as_alice: Command, people: str, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    task = "def task(g): return g._nodes[g._nodes.age > 40]"
    done = as_alice("run", "-", "--dataset", people, "--format", "parquet", "-o", str(out), typed=task)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert parquet.read_table(out).to_pydict() == {"id": ["b", "c", "d"], "age": [41, 52, 63]}


def test_a_graph_is_written_as_a_zip(as_alice: Command, people: str, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    options = ("--output-type", "all", "--format", "parquet", "-o", str(out))
    assert as_alice("run", "-", "--dataset", people, *options, typed=GRAPH).returncode == 0
    with zipfile.ZipFile(out) as archive:
        assert parquet.read_table(io.BytesIO(archive.read("edges.parquet"))).num_rows == 3


def test_a_result_of_many_megabytes_arrives_whole(as_alice: Command, people: str, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    task = "def task(g): return ['x' * 1000] * 20_000"
    assert as_alice("run", "-", "--dataset", people, "-o", str(out), typed=task).returncode == 0
    assert json.loads(out.read_bytes()) == ["x" * 1000] * 20_000


def test_a_failing_task_shows_what_it_printed_and_the_line_that_failed(
    as_alice: Command, people: str, tmp_path: Path
) -> None:
    task = tmp_path / "task.py"
    task.write_text(
        "import sys\n\n\ndef deeper(g):\n    return g._edges['nothing']\n\n\n"
        "def task(g):\n    print('looking')\n    print('hm', file=sys.stderr)\n    return len(deeper(g))\n"
    )
    done = as_alice("run", str(task), "--dataset", people)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert lines[:-1] == [
        "stdout of the task:",
        "looking",
        "stderr of the task:",
        "hm",
        f"{task}, line 11, in task",
        "    11 |     return len(deeper(g))",
        "       |                ^^^^^^^^^",
        f"{task}, line 5, in deeper",
        ">    5 |     return g._edges['nothing']",
        "       |            ^^^^^^^^^^^^^^^^^^^",
    ]
    columns = "(the columns of this table are 's', 'd', 'w')"
    assert lines[-1].startswith(f"graphside: TaskError: KeyError: 'nothing' {columns} (run ")


def test_a_source_that_does_not_compile_has_a_caret(as_alice: Command, people: str) -> None:
    done = as_alice("run", "-", "--dataset", people, typed="import math\ndef task(g) return 1\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:3] == [
        "<stdin>, line 2, column 13",
        ">    2 | def task(g) return 1",
        "       |             ^",
    ]
    assert "graphside: InvalidSource: the source does not compile: " in done.stderr


@pytest.mark.parametrize(
    ("task", "options", "says"),
    [
        (
            "def task(g):\n    print('waiting', flush=True)\n    while True: pass",
            ("--timeout", "0.5"),
            "stdout of the task:\nwaiting\n"
            "graphside: TaskTimeout: the task did not end within its limit of 0.5 s (run ",
        ),
        (
            "def task(g): return len(bytearray(600_000_000))",
            ("--memory", "300MiB"),
            "graphside: TaskMemoryExceeded: ",
        ),
        ("def task(g):\n    import os\n    os._exit(3)", (), "graphside: TaskCrashed: "),
        ("def task(g): return object()", (), "graphside: ResultNotSerializable: "),
        ("x = 1", (), "graphside: InvalidSource: the source defines no function named task"),
        ("def task(g): return 1", ("--timeout", "100000"), "graphside: --timeout must be at most "),
    ],
)
def test_every_end_of_a_task_is_reported(
    as_alice: Command, people: str, task: str, options: tuple[str, ...], says: str
) -> None:
    done = as_alice("run", "-", "--dataset", people, *options, typed=task)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr


def test_a_dataset_of_somebody_else_is_not_found(as_bob: Command, people: str) -> None:
    done = as_bob("run", "-", "--dataset", people, typed=GRAPH)
    assert (done.returncode, done.stderr) == (1, f"graphside: dataset {people} not found\n")


class TestOnATerminal:
    def test_a_table_is_shown_with_progress_before_it(
        self, server: LiveServer, alice: Person, people: str, tmp_path: Path
    ) -> None:
        task = tmp_path / "task.py"
        task.write_text("import time\ndef task(g):\n    time.sleep(3)\n    return g\n")
        command = ("run", str(task), "--dataset", people, "--output-type", "nodes", "--format", "parquet")
        with Terminal(*command, variables=variables_of(server, alice)) as terminal:
            terminal.until("running 0:00:0")
            assert terminal.end() == 0
        lines = [line.split() for line in terminal.text.splitlines()]
        assert lines[-6:] == [["id", "age"], ["a", "30"], ["b", "41"], ["c", "52"], ["d", "63"], ["4", "rows"]]

    def test_json_is_indented_and_control_characters_are_escaped(
        self, server: LiveServer, alice: Person, people: str
    ) -> None:
        with Terminal("run", "-", "--dataset", people, variables=variables_of(server, alice)) as terminal:
            terminal.type("def task(g): return {'a': '\\x1b[2J\\x9b', 'b': [1]}\n\x04")
            assert terminal.end() == 0
        assert terminal.text.endswith('{\n  "a": "\\u001b[2J\\u009b",\n  "b": [\n    1\n  ]\n}\n')
        assert "\x1b[2J" not in terminal.shown
