"""The data of a run is the same on every machine, and an upload as a client sends it."""

from pathlib import Path

import pyarrow as pa
import pytest

from bench import datasets
from bench.datasets import Edges, Kind, NoRoom


def read(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


@pytest.mark.parametrize("kind", ["numbers", "text", "noise"])
def test_a_file_is_one_batch_of_the_size_it_says(tmp_path: Path, kind: Kind) -> None:
    edges = Edges(kind, 2_500)
    path = edges.file(tmp_path)
    table = read(path)
    table.validate(full=True)
    assert pa.ipc.open_file(pa.memory_map(str(path))).num_record_batches == 1
    assert table.num_rows == 2_500
    assert 0 <= path.stat().st_size - edges.byte_count < 4_000
    assert {one.name for one in tmp_path.iterdir()} == {path.name}


def test_pieces_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "_CHUNK_ROWS", 1_000)
    texts = read(Edges("text", 2_500).file(tmp_path)).column("t")
    assert {len(str(one)) for one in texts.to_pylist()} == {8}


def test_the_same_name_is_the_same_data(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    edges = Edges("text", 1_000)
    assert read(edges.file(tmp_path / "one")).equals(read(edges.file(tmp_path / "other")))


def test_a_size_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(NoRoom, match="of disk are needed"):
        Edges.of_bytes("numbers", 10**18).file(tmp_path)
    with pytest.raises(NoRoom, match="of memory are needed"):
        datasets.require_memory(10**18)
