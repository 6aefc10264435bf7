"""``dataset put``."""

import threading
from pathlib import Path

import pytest

from deployments.cli.file_types import table_file
from runtime.datasets.file_types import FILE_TYPE_NAMES
from runtime.datasets.formats import check_options
from runtime.errors import InvalidTable
from tests.terminal import Terminal
from tests.unit.cli.conftest import Cli, SmallServer, complaint

FILES = "/api/v2/files/"
UPLOAD = "/api/v2/upload/files/f1"
DATASETS = "/api/v2/upload/datasets/"
CSV = b"s,d\na,b\n"
BOUND = ("--source", "s", "--destination", "d")


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """A small CSV."""
    path = tmp_path / "edges.csv"
    path.write_bytes(CSV)
    return path


@pytest.fixture
def taking(signed_in: SmallServer) -> SmallServer:
    """A server that takes it."""
    signed_in.on("POST", FILES, 201, {"file_id": "f1"})
    signed_in.on("POST", UPLOAD, body=read({"s": "string", "d": "string", "id": "string"}))
    signed_in.on("DELETE", f"{FILES}f1/", 204)
    signed_in.on("POST", DATASETS, 201, {"success": True, "data": {"dataset_id": "0123"}})
    return signed_in


def read(dtypes: dict[str, str]) -> dict[str, object]:
    """What the server answers once it has read a table."""
    schemas = [{"num_rows": 1, "num_cols": len(dtypes), "dtypes": dtypes}]
    return {"file_id": "f1", "is_valid": True, "is_uploaded": True, "tables_schemas": schemas}


def test_it_prints_the_id_alone(cli: Cli, taking: SmallServer, edges: Path) -> None:
    result = cli("dataset", "put", str(edges), *BOUND)
    assert (result.exit_code, result.output) == (0, "0123\n")


def test_it_declares_the_file_sends_its_bytes_and_makes_a_dataset_of_it(
    cli: Cli, taking: SmallServer, edges: Path
) -> None:
    cli("dataset", "put", str(edges), *BOUND, "--description", "who knows whom", "--org", "lab")
    declared, sent, made, forgotten = taking.calls
    assert declared.body == {
        "file_type": "csv",
        "file_compression": "",
        "name": "edges.csv",
        "parser_options": {},
        "agent_name": "graphside",
    }
    assert (sent.path, sent.content, sent.headers["content-length"]) == (f"{UPLOAD}?erase=true", CSV, str(len(CSV)))
    assert made.body == {
        "name": "edges",
        "description": "who knows whom",
        "metadata": {"agent": "graphside", "apiversion": "3"},
        "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
        "node_encodings": {"bindings": {}},
        "edge_files": ["f1"],
        "org_name": "lab",
    }
    assert (forgotten.method, forgotten.path) == ("DELETE", f"{FILES}f1/")


def test_nodes_are_a_table_of_their_own(cli: Cli, taking: SmallServer, edges: Path, tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.jsonl"
    nodes.write_text('{"id": "a"}\n')
    result = cli("dataset", "put", str(edges), *BOUND, "--nodes", str(nodes), "--node", "id", "--name", "n")
    assert result.exit_code == 0, result.output
    assert [call.body["file_type"] for call in taking.called("POST", FILES)] == ["csv", "json"]
    (made,) = taking.called("POST", DATASETS)
    assert made.body["node_encodings"] == {"bindings": {"node": "id"}}
    assert (made.body["node_files"], made.body["name"]) == (["f1"], "n")


def test_a_large_file_is_sent_in_pieces_and_whole(cli: Cli, taking: SmallServer, edges: Path) -> None:
    edges.write_bytes(CSV * 200_000)
    assert cli("dataset", "put", str(edges), *BOUND).exit_code == 0
    assert taking.called("POST", UPLOAD)[0].content == CSV * 200_000


class TestFailures:
    """Whatever goes wrong, no file of ours stays at the server."""

    def test_bytes_that_are_no_table(self, cli: Cli, taking: SmallServer, edges: Path) -> None:
        refused = {"error": "line 2 has 3 values, the header 2", "is_valid": False}
        taking.on("POST", UPLOAD, 400, refused)
        assert complaint(cli("dataset", "put", str(edges), *BOUND)) == "edges.csv: line 2 has 3 values, the header 2"
        assert taking.calls[-1].method == "DELETE"

    def test_a_server_that_says_no_with_status_200(self, cli: Cli, taking: SmallServer, edges: Path) -> None:
        taking.on("POST", UPLOAD, 200, {"is_valid": False, "is_uploaded": False, "errors": ["no table"]})
        assert complaint(cli("dataset", "put", str(edges), *BOUND)) == "the server refused edges.csv: ['no table']"
        assert taking.calls[-1].method == "DELETE"

    def test_a_column_that_is_not_there(self, cli: Cli, taking: SmallServer, edges: Path) -> None:
        said = complaint(cli("dataset", "put", str(edges), "--source", "src", "--destination", "d"))
        assert said == f"{edges} has no column src for --source; it has s, d, id"
        assert taking.calls[-1].method == "DELETE"
        assert taking.called("POST", DATASETS) == []

    def test_a_dataset_that_is_refused(self, cli: Cli, taking: SmallServer, edges: Path) -> None:
        taking.on("POST", DATASETS, 403, {"error": "Not authorized to organization 'lab'"})
        result = cli("dataset", "put", str(edges), *BOUND, "--org", "lab")
        assert complaint(result) == "Not authorized to organization 'lab'"
        assert taking.calls[-1].method == "DELETE"

    def test_a_file_that_cannot_be_deleted_is_told_beside_the_id(
        self, cli: Cli, taking: SmallServer, edges: Path
    ) -> None:
        taking.on("DELETE", f"{FILES}f1/", 503, {"error": "Stopping."})
        result = cli("dataset", "put", str(edges), *BOUND)
        assert (result.exit_code, result.stdout) == (0, "0123\n")
        assert result.stderr == "graphside: file f1 was not deleted at the server: Stopping.\n"

    def test_ctrl_c(self, taking: SmallServer, edges: Path) -> None:
        answer = taking.on("POST", UPLOAD, body=read({}))
        answer.held = threading.Event()
        with Terminal("dataset", "put", str(edges), *BOUND) as terminal:
            terminal.until("the server is reading")
            terminal.type("\x03")
            status = terminal.end()
        assert status == 130, terminal.text
        answer.held.set()
        assert taking.calls[-1].method == "DELETE"
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--nodes", "nodes.csv"), "--nodes FILE and --node COLUMN must be given together"),
        (("--node", "id"), "--nodes FILE and --node COLUMN must be given together"),
        (("--nodes", "missing.csv", "--node", "id"), "missing.csv cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_sent_is_told_before_anything_is(
    cli: Cli, taking: SmallServer, edges: Path, options: tuple[str, ...], says: str
) -> None:
    assert complaint(cli("dataset", "put", str(edges), *BOUND, *options)) == says
    assert taking.calls == []


@pytest.mark.parametrize(
    ("name", "file_type", "compression", "options", "stem"),
    [
        ("e.arrow", "arrow", "", {}, "e"),
        ("e.feather", "arrow", "", {}, "e"),
        ("e.parquet", "parquet", "", {}, "e"),
        ("my.graph.CSV", "csv", "", {}, "my.graph"),
        ("e.tsv", "csv", "", {"sep": "\t"}, "e"),
        ("e.json", "json", "", {}, "e"),
        ("e.jsonl.zst", "json", "zstd", {"lines": True}, "e"),
        ("e.ndjson", "json", "", {"lines": True}, "e"),
        ("e.orc", "orc", "", {}, "e"),
        ("e.xlsx", "xlsx", "", {}, "e"),
        ("e.xls", "xls", "", {}, "e"),
        ("e.csv.gz", "csv", "gzip", {}, "e"),
        ("e.csv.bz2", "csv", "bz2", {}, "e"),
        ("a.b.tsv.ZIP", "csv", "zip", {"sep": "\t"}, "a.b"),
        ("e.csv.xz", "csv", "xz", {}, "e"),
    ],
)
def test_a_name_says_what_a_file_is(
    tmp_path: Path, name: str, file_type: str, compression: str, options: dict[str, object], stem: str
) -> None:
    (tmp_path / name).write_bytes(b"1")
    found = table_file(tmp_path / name)
    assert (found.file_type, found.compression, found.parser_options) == (file_type, compression, options)
    assert (found.stem, found.byte_count) == (stem, 1)


@pytest.mark.parametrize(
    ("name", "asked", "file_type", "compression", "options"),
    [
        ("edges", "csv", "csv", "", {}),
        ("edges.txt", "CSV", "csv", "", {}),
        ("edges.dat.gz", "json", "json", "gzip", {}),
        ("edges.tsv", "csv", "csv", "", {"sep": "\t"}),
        ("edges.tsv", "parquet", "parquet", "", {}),
    ],
)
def test_a_type_may_be_named(
    tmp_path: Path, name: str, asked: str, file_type: str, compression: str, options: dict[str, object]
) -> None:
    (tmp_path / name).write_bytes(b"1")
    found = table_file(tmp_path / name, type_name=asked)
    assert (found.file_type, found.compression, found.parser_options) == (file_type, compression, options)


def test_types_of_both_tables_go_into_the_declaration(cli: Cli, taking: SmallServer, tmp_path: Path) -> None:
    edges, nodes = tmp_path / "edges.txt", tmp_path / "nodes"
    edges.write_bytes(b"s,d\na,b\n")
    nodes.write_bytes(b'{"id": ["a"]}')
    options = ("--type", "csv", "--nodes-type", "json")
    result = cli("dataset", "put", str(edges), *BOUND, "--nodes", str(nodes), "--node", "id", *options)
    assert result.exit_code == 0, result.output
    declared = [call.body["file_type"] for call in taking.calls if call.path == FILES and call.method == "POST"]
    assert declared == ["csv", "json"]


@pytest.mark.parametrize("name", ["edges", "edges.txt", "edges.zip", "edges.gz", ".csv.txt", "edges.csv.rar"])
def test_a_name_that_says_nothing_is_refused_with_those_that_do(cli: Cli, taking: SmallServer, name: str) -> None:
    assert "the ending of the name must be one of .arrow" in complaint(cli("dataset", "put", name, *BOUND))


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is empty"), (None, "cannot be read: Is a directory")], ids=["empty", "directory"]
)
def test_a_file_without_bytes_is_refused(
    cli: Cli, taking: SmallServer, tmp_path: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "other.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    assert complaint(cli("dataset", "put", str(path), *BOUND)) == f"{path} {says}"
    assert taking.calls == []


def test_on_a_terminal_it_says_what_to_do_next(taking: SmallServer, edges: Path) -> None:
    with Terminal("dataset", "put", str(edges), *BOUND, columns=200) as terminal:
        assert terminal.end() == 0
    assert "0123\n1 edge; to run a task on it: graphside run FILE.py --dataset 0123\n" in terminal.text


def test_options_of_the_parser_go_into_the_declaration(cli: Cli, taking: SmallServer, tmp_path: Path) -> None:
    edges, nodes = tmp_path / "edges.tsv", tmp_path / "nodes.json"
    edges.write_bytes(b"s;d\na;b\n")
    nodes.write_bytes(b'{"id": ["a"]}')
    options = ("--option", "sep=;", "--option", "header=0", "--nodes-option", "orient=columns")
    result = cli("dataset", "put", str(edges), *BOUND, "--nodes", str(nodes), "--node", "id", *options)
    assert result.exit_code == 0, result.output
    declared = [call.body["parser_options"] for call in taking.calls if call.path == FILES and call.method == "POST"]
    assert declared == [{"sep": ";", "header": "0"}, {"orient": "columns"}]


def test_advice_of_the_server_names_the_flags_of_the_table(cli: Cli, signed_in: SmallServer, edges: Path) -> None:
    signed_in.on("POST", FILES, 201, {"file_id": "f1"})
    signed_in.on("POST", UPLOAD, 400, {"error": "no comma: send the option sep=';', or declare file_type 'json'"})
    signed_in.on("DELETE", f"{FILES}f1/", 204)
    said = complaint(cli("dataset", "put", str(edges), *BOUND))
    assert said == "edges.csv: no comma: send --option sep=';', or declare --type 'json'"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--option", "sepp=;"), "'sepp' is not an option of --type csv; its options are "),
        (("--option", "on_bad_lines=skip"), "a malformed line is always an error"),
        (("--option", "sep"), "NAME=VALUE"),
        (("--option", "=;"), "NAME=VALUE"),
        (("--nodes-option", "sep=;"), "--nodes FILE"),
        (("--nodes-type", "csv"), "--nodes FILE"),
        (("--type", "text"), "the type text is unknown; use one of arrow csv"),
    ],
)
def test_an_option_that_no_reader_has_is_refused_before_anything_is_sent(
    cli: Cli, taking: SmallServer, edges: Path, options: tuple[str, ...], said: str
) -> None:
    result = cli("dataset", "put", str(edges), *BOUND, *options)
    assert result.exit_code != 0
    assert said in complaint(result)
    assert taking.calls == []


def test_every_type_of_file_has_the_options_of_its_reader() -> None:
    """The command line and the server ask the same table."""
    for kind in FILE_TYPE_NAMES:
        with pytest.raises(InvalidTable, match=f"is not an option of file_type {kind}"):
            check_options(kind, {"no such option": ""})
