"""``run`` on a terminal: progress, tables, indented JSON, and no control characters."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from deployments.cli import screen
from tests.terminal import Terminal
from tests.unit.cli.conftest import SmallServer

PYTHON = "/api/v2/datasets/0123/python"
RECORDS = [{"name": f"n{number}", "degree": number, "tags": ["a"] if number else None} for number in range(1234)]
JSON = "application/json"
CSV = "text/csv; charset=utf-8"
PARQUET = "application/vnd.apache.parquet"
ZIP = "application/zip"


def as_csv() -> bytes:
    return b"name,degree\n" + b"".join(f"n{number},{number}\n".encode() for number in range(1234))


def as_parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table({"name": [f"n{n}" for n in range(1234)], "degree": range(1234)}), file)
    return file.getvalue()


@contextmanager
def watched(
    server: SmallServer, content: bytes, content_type: str, *options: str, columns: int = 100
) -> Iterator[Terminal]:
    """The command, on a terminal, of a run that answers that."""
    server.on("POST", PYTHON, body=content, content_type=content_type, x_run_id="77")
    with Terminal("run", "-", "--dataset", "0123", *options, columns=columns) as terminal:
        terminal.type("def task(g): return 1\n\x04")
        yield terminal


@pytest.mark.parametrize(
    ("content", "content_type", "format_"),
    [(json.dumps(RECORDS).encode(), JSON, "json"), (as_csv(), CSV, "csv"), (as_parquet(), PARQUET, "parquet")],
    ids=["json", "csv", "parquet"],
)
def test_a_table_shows_its_first_rows_and_how_many_it_has(
    signed_in: SmallServer, content: bytes, content_type: str, format_: str
) -> None:
    with watched(signed_in, content, content_type, "--output-type", "table", "--format", format_) as terminal:
        assert terminal.end() == 0
    lines = [line.split() for line in terminal.text.splitlines()]
    first = next(index for index, line in enumerate(lines) if line[:2] == ["name", "degree"])
    assert [line[:2] for line in lines[first + 1 : first + 21]] == [[f"n{n}", str(n)] for n in range(20)]
    assert "the first 20 of 1,234 rows; -o FILE writes the whole result" in terminal.text
    assert "run 77: " in terminal.text


def test_columns_that_do_not_fit_are_counted(signed_in: SmallServer) -> None:
    content = json.dumps([{f"column{number}": "x" * 60 for number in range(30)}]).encode()
    with watched(signed_in, content, JSON, "--output-type", "nodes", columns=90) as terminal:
        assert terminal.end() == 0
    assert "1 row, 2 of 30 columns; -o FILE writes the whole result" in terminal.text
    assert "column1" in terminal.text
    assert "column2" not in terminal.text


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [(b"[]", JSON, "0 rows"), (b"", CSV, "0 rows"), (b"", PARQUET, "0 rows"), (b"a,b\n", CSV, "0 rows")],
)
def test_an_empty_table_has_no_rows(signed_in: SmallServer, content: bytes, content_type: str, says: str) -> None:
    with watched(signed_in, content, content_type, "--output-type", "table") as terminal:
        assert terminal.end() == 0
    assert says in terminal.text


def test_a_graph_shows_both_tables(signed_in: SmallServer) -> None:
    content = json.dumps({"nodes": RECORDS[:3], "edges": RECORDS[:2]}).encode()
    with watched(signed_in, content, JSON, "--output-type", "all") as terminal:
        assert terminal.end() == 0
    assert terminal.text.index("nodes") < terminal.text.index("3 rows") < terminal.text.index("edges")
    assert "2 rows" in terminal.text


def test_json_is_indented(signed_in: SmallServer) -> None:
    with watched(signed_in, '{"a":[1,"é"],"b":null}'.encode(), JSON) as terminal:
        assert terminal.end() == 0
    assert '{\n  "a": [\n    1,\n    "é"\n  ],\n  "b": null\n}\n' in terminal.text


@pytest.mark.parametrize(
    ("content", "content_type", "output_type", "shown"),
    [
        (json.dumps({"a": "\x1b[2Jx"}).encode(), JSON, "json", '"a": "\\u001b[2Jx"'),
        ('{"a":"\u009b2J\u202ex"}'.encode(), JSON, "json", '"a": "\\u009b2J\\u202ex"'),
        (b"\x1b[2Jx\ty\n", "text/plain; charset=utf-8", "json", "\ufffd[2Jx\ty\n"),
        (b"a\n\x1b[2Jx\n", CSV, "table", "\n[2Jx"),
        (json.dumps([{"\x1b[2Jx": "\x9b\x07y"}]).encode(), JSON, "table", "\n[2Jx"),
        (b"\x1b[2Jnot json", JSON, "json", "\ufffd[2Jnot json\n"),
        (b"PK\x03\x04", ZIP, "json", "4 bytes of application/zip cannot be shown on a terminal; use -o FILE"),
    ],
)
def test_nothing_in_a_result_acts_on_the_terminal(
    signed_in: SmallServer, content: bytes, content_type: str, output_type: str, shown: str
) -> None:
    with watched(signed_in, content, content_type, "--output-type", output_type) as terminal:
        assert terminal.end() == 0
    assert shown in terminal.text
    assert "\x1b[2J" not in terminal.shown
    assert not set(terminal.shown) & {"\x07", "\x9b", "\u202e"}


def test_what_is_known_to_be_binary_is_refused_before_it_is_run(signed_in: SmallServer) -> None:
    with watched(signed_in, b"PK", ZIP, "--output-type", "all", "--format", "parquet") as terminal:
        assert terminal.end() == 1
    assert "a zip archive cannot be shown on a terminal; use -o FILE, or --format json" in terminal.text
    assert signed_in.calls == []


def test_a_file_is_told_of_and_a_terminal_elsewhere_changes_nothing(signed_in: SmallServer, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with watched(signed_in, b'{"a":1}', JSON, "-o", str(out), columns=250) as terminal:
        assert terminal.end() == 0
    assert f"wrote {out}\n" in terminal.text
    assert out.read_bytes() == b'{"a":1}'


def test_a_result_that_is_piped_on_is_verbatim_with_progress_beside_it(signed_in: SmallServer, tmp_path: Path) -> None:
    task = tmp_path / "task.py"
    task.write_text("def task(g): return 1")
    signed_in.on("POST", PYTHON, body=b'{"a":1}', content_type=JSON)
    with open(tmp_path / "piped", "w+b") as piped:
        with Terminal("run", str(task), "--dataset", "0123", stdout=piped) as terminal:
            assert terminal.end() == 0
        piped.seek(0)
        assert piped.read() == b'{"a":1}'
    assert "running" in terminal.text


def test_what_is_too_long_to_indent_is_shown_as_it_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screen, "_MOST_TO_INDENT", 100)
    content = json.dumps({"a": ["é" * 50, "\x1b"]}, ensure_ascii=False) + "\x1b"
    screen.show_result(io.BytesIO(content.encode()), JSON, "json")
    assert capsys.readouterr().out == content.replace("\x1b", "\ufffd") + "\n"
