"""``dataset`` on the command line against the live server."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, feather, orc, parquet

from tests.conftest import LiveServer, Person
from tests.terminal import Terminal
from tests.wire.conftest import Command, variables_of

pytestmark = pytest.mark.e2e

EDGES = pa.table({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1, 2, 3]})
NODES = pa.table({"id": ["a", "b", "c", "d"], "age": [30, 41, 52, 63]})
BOUND = ("--source", "s", "--destination", "d")
JSONL = b'{"s":"a","d":"b","w":1}\n{"s":"b","d":"c","w":2}\n{"s":"c","d":"d","w":3}\n'


def written(write: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    """The edges as a library writes them."""
    file = io.BytesIO()
    write(EDGES, file)
    return file.getvalue()


def as_csv() -> bytes:
    return written(csv.write_csv)


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("edges.csv", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("edges.feather", written(lambda table, file: feather.write_feather(table, file, compression="uncompressed"))),
        ("edges.parquet", written(parquet.write_table)),
        ("edges.orc", written(orc.write_table)),
        ("edges.csv", as_csv()),
        ("edges.tsv", as_csv().replace(b",", b"\t")),
        ("edges.json", b"[" + JSONL.strip().replace(b"\n", b",") + b"]"),
        ("edges.jsonl", JSONL),
        ("edges.csv.gz", gzip.compress(as_csv())),
        ("edges.csv.bz2", bz2.compress(as_csv())),
        ("edges.csv.xz", lzma.compress(as_csv())),
        ("edges.csv.zip", zipped(as_csv())),
        ("edges.jsonl.zst", pa.compress(JSONL, "zstd", asbytes=True)),
    ],
)
def test_a_file_of_any_kind_becomes_a_dataset_that_tasks_get(
    as_alice: Command, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    done = as_alice("dataset", "put", str(tmp_path / name), *BOUND)
    assert done.returncode == 0, done.stderr
    dataset = done.stdout.strip()
    task = "def task(g): return [g._source, g._destination, g._edges.to_dict('list')]"
    ran = as_alice("run", "-", "--dataset", dataset, typed=task)
    assert ran.stdout == '["s","d",{"s":["a","b","c"],"d":["b","c","d"],"w":[1,2,3]}]', ran.stderr


def test_a_dataset_is_put_listed_shown_and_deleted_and_leaves_no_file(
    as_alice: Command, alice: Person, tmp_path: Path
) -> None:
    parquet.write_table(EDGES, tmp_path / "edges.parquet")
    csv.write_csv(NODES, tmp_path / "nodes.csv")
    files = alice.http.get("/api/v2/files/").json()["count"]
    put = as_alice(
        *("dataset", "put", str(tmp_path / "edges.parquet"), *BOUND),
        *("--nodes", str(tmp_path / "nodes.csv"), "--node", "id"),
        *("--name", "cli friends", "--description", "who knows whom"),
    )
    assert (put.returncode, put.stderr) == (0, "")
    dataset = put.stdout.strip()
    assert alice.http.get("/api/v2/files/").json()["count"] == files

    listed = as_alice("dataset", "list", "--search", "cli friends")
    assert listed.stdout.startswith(f"{dataset}\tcli friends\t4\t3\t2")
    shown = dict(line.split("\t") for line in as_alice("dataset", "show", dataset).stdout.splitlines())
    wanted = {"name": "cli friends", "description": "who knows whom", "nodes": "4", "edges": "3"}
    assert {**shown, **wanted, "source": "s", "destination": "d", "node": "id"} == shown
    assert as_alice("run", "-", "--dataset", dataset, typed="def task(g): return len(g._nodes)").stdout == "4"

    assert as_alice("dataset", "rm", "--yes", dataset).stdout == f"deleted {dataset}\n"
    assert as_alice("dataset", "show", dataset).stderr == f"graphside: dataset {dataset} not found\n"
    assert dataset not in as_alice("dataset", "list").stdout


def test_a_file_that_is_no_table_is_refused_in_one_line_and_leaves_nothing(
    as_alice: Command, alice: Person, tmp_path: Path
) -> None:
    before = [alice.http.get(f"/api/v2/{kind}/").json()["count"] for kind in ("files", "datasets")]
    (tmp_path / "edges.parquet").write_bytes(b"PAR1 it is not")
    done = as_alice("dataset", "put", str(tmp_path / "edges.parquet"), *BOUND)
    assert done.returncode == 1
    assert done.stderr.startswith("graphside: edges.parquet: ")
    assert done.stderr.count("\n") == 1
    assert [alice.http.get(f"/api/v2/{kind}/").json()["count"] for kind in ("files", "datasets")] == before


def test_a_missing_column_is_named_together_with_the_existing_columns(as_alice: Command, tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_bytes(as_csv())
    done = as_alice("dataset", "put", str(tmp_path / "edges.csv"), "--source", "from", "--destination", "d")
    assert done.stderr.endswith("edges.csv has no column from for --source; it has s, d, w\n")


def test_on_a_terminal_an_upload_shows_its_result(server: LiveServer, alice: Person, tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_bytes(b"s,d\n" + b"a,b\n" * 500_000)
    command = ("dataset", "put", str(tmp_path / "edges.csv"), *BOUND)
    with Terminal(*command, variables=variables_of(server, alice), columns=150) as terminal:
        assert terminal.end() == 0
    assert "edges.csv" in terminal.text
    assert "500,000 edges; to run a task on it: graphside run FILE.py --dataset" in terminal.text


def test_share_shows_that_a_new_dataset_is_its_owners_alone(as_alice: Command, people: str) -> None:
    done = as_alice("dataset", "share", people, "--mode", "private")
    assert (done.returncode, done.stdout) == (0, "its owner\teverything\n")
    refused = as_alice("dataset", "share", "0" * 32, "--mode", "private")
    assert refused.stderr == f"graphside: dataset {'0' * 32} not found\n"
