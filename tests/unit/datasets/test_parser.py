"""The parsing job: what it reports, and how several files become one table."""

import decimal
import errno
import os
import re
import resource
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from runtime.datasets import tables
from runtime.datasets.frames import map_frame
from runtime.datasets.joining import join
from runtime.datasets.parser import concatenate, parse_upload
from runtime.datasets.store.durable import storing
from runtime.errors import InvalidTable, StorageFull
from runtime.uploads import Uploads
from tests.unit.datasets.conftest import Parsing

Upload = Callable[..., Any]

TENTH = decimal.Decimal("0.10")


def _concatenated(parts: list[Any]) -> tuple[dict[str, Any], pd.DataFrame]:
    descriptors = [part.open() for part in parts]
    with tempfile.TemporaryFile() as out:
        report = concatenate(descriptors, out.fileno())
        frame = map_frame(out.fileno())
    for descriptor in descriptors:
        os.close(descriptor)
    return report, frame


def test_the_report_says_what_was_written(upload: Upload) -> None:
    stored = upload(b"src,dst,w\na,b,1.5\nb,c,\n", "csv")
    assert stored.report == {
        "row_count": 2,
        "column_count": 3,
        "dtypes": {"src": "str", "dst": "str", "w": "float64"},
        "byte_count": stored.path.stat().st_size,
    }


def test_options_and_compression_may_be_absent(tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as body, tempfile.TemporaryFile() as out:
        body.write(b"a\n1\n")
        body.flush()
        assert parse_upload({"file_type": "csv"}, body.fileno(), out.fileno())["row_count"] == 1


def test_neither_descriptor_is_closed_or_needed_at_a_position(tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as body, tempfile.TemporaryFile() as out:
        body.write(b"a\n1\n")
        body.flush()  # the position stays at the end
        parse_upload({"file_type": "csv"}, body.fileno(), out.fileno())
        assert os.fstat(body.fileno()).st_size == 4
        assert os.fstat(out.fileno()).st_size > 0


def test_a_small_limit_of_uploads_leaves_a_parser_the_memory_that_it_needs(parsing: Parsing) -> None:
    small = replace(parsing, uploads=Uploads(parsing.store, parsing.template, max_upload_bytes=100_000))
    received = parsing.received(b"s,d\na,1\nb,\n")
    small.stored(received, "csv").unlink()
    received.unlink()


def test_every_refusal_lists_its_sentence(upload: Upload) -> None:
    with pytest.raises(InvalidTable) as caught:
        upload(b"{", "json")
    assert caught.value.fields == {"errors": [caught.value.message]}


@pytest.mark.parametrize(
    ("failure", "raised", "words"),
    [
        (OSError(errno.ENOSPC, "full"), StorageFull, "no room"),
        (OSError(errno.EDQUOT, "quota"), StorageFull, "no room"),
        (OSError(errno.EFBIG, "big"), InvalidTable, "larger than a stored table"),
        (MemoryError(), InvalidTable, "does not fit into the memory"),
        (pa.ArrowMemoryError("malloc"), InvalidTable, "does not fit into the memory"),
        (pa.ArrowInvalid("odd"), InvalidTable, "cannot be read: odd"),
        (OSError(errno.EIO, "disk"), OSError, "disk"),
    ],
)
def test_failures_while_writing_are_told_apart(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, failure: Exception, raised: type[Exception], words: str
) -> None:
    def fail(_table: pa.Table, _descriptor: int) -> int:
        raise failure

    monkeypatch.setattr(tables, "write_canonical", fail)
    with pytest.raises(raised, match=words):
        upload(b"a\n1\n", "csv")


def test_a_full_device_is_storage_full() -> None:
    table = tables.canonical(pa.table({"a": range(1000)}))
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(StorageFull), storing():
            tables.write_canonical(table, full)
    finally:
        os.close(full)


def test_a_file_size_limit_is_named(upload: Upload) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InvalidTable, match="larger than a stored table"):
            upload(b"a\n" + b"1\n" * 40_000, "csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_columns_are_joined_by_name_and_missing_ones_are_null(upload: Upload) -> None:
    parts = [upload(pa.table({"s": ["a"], "w": [1]})), upload(pa.table({"w": [2], "d": ["b"]}))]
    report, frame = _concatenated(parts)
    assert report["row_count"] == 2
    assert report["dtypes"] == {"s": "str", "w": "int64", "d": "str"}
    expected = pd.DataFrame({"s": ["a", None], "w": [1, 2], "d": [None, "b"]})
    pd.testing.assert_frame_equal(frame, expected.astype({"s": "str", "d": "str"}))


def test_pandas_dtypes_survive_joining(upload: Upload) -> None:
    frames = [
        pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "c": pd.Categorical(["a", "b"])}),
        pd.DataFrame({"i": pd.array([3, 4], dtype="Int64"), "c": pd.Categorical(["c", "a"])}),
    ]
    _, frame = _concatenated([upload(pa.Table.from_pandas(frame)) for frame in frames])
    assert frame["i"].dtype == "Int64"
    assert frame["i"].tolist() == [1, pd.NA, 3, 4]
    assert frame["c"].tolist() == ["a", "b", "c", "a"]
    assert isinstance(frame["c"].dtype, pd.CategoricalDtype)


@pytest.mark.parametrize(
    ("first", "second", "dtype"),
    [
        ([1], [2.5], "float64"),
        ([None], ["x"], "str"),
        ([None], [1], "Int64"),
        (pa.array([1], pa.int8()), pa.array([1], pa.int64()), "int64"),
        (pa.array([1], pa.int8()), pa.array([TENTH], pa.decimal128(20, 2)), "object"),
        (pa.array([1], pa.timestamp("s")), pa.array([1], pa.timestamp("ns")), "datetime64[ns]"),
        (pa.array([1, None]), pa.array([2**64 - 1], pa.uint64()), "UInt64"),
    ],
)
def test_types_that_fit_are_widened(upload: Upload, first: Any, second: Any, dtype: str) -> None:
    report, _ = _concatenated([upload(pa.table({"x": first})), upload(pa.table({"x": second}))])
    assert report["dtypes"] == {"x": dtype}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *(([1], ["x"]), ([True], [1]), (["x"], [[1]]), ([{"a": 1}], ["x"]), ([2**53 + 1], [2.5])),
        *(([TENTH], [0.5]), ([0.5], [TENTH]), ([[TENTH]], [[0.5]]), ([{"a": 0.5}], [{"a": TENTH}])),
        *((["x"], [b"y"]), ([[b"y"]], [["x"]]), (pa.array(["x"]).dictionary_encode(), [b"y"])),
    ],
    ids=str,
)
def test_types_that_do_not_fit_are_refused(upload: Upload, first: Any, second: Any) -> None:
    with pytest.raises(InvalidTable, match="cannot be concatenated"):
        _concatenated([upload(pa.table({"x": first})), upload(pa.table({"x": second}))])


UNSIGNED = pa.uint64()
MOST = 2**64 - 1


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (pa.array([1], pa.int8()), pa.array([MOST], UNSIGNED), UNSIGNED),
        (pa.array([-1]), pa.array([5], UNSIGNED), pa.int64()),
        (pa.array([[1]]), pa.array([[MOST]], pa.list_(UNSIGNED)), pa.large_list(UNSIGNED)),
        (
            pa.array([{"x": 1}]),
            pa.array([{"x": MOST}], pa.struct([("x", UNSIGNED)])),
            pa.struct([("x", UNSIGNED)]),
        ),
        (
            pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            pa.array([[("k", MOST)]], pa.map_(pa.string(), UNSIGNED)),
            pa.map_(pa.string(), UNSIGNED),
        ),
        (
            pa.array([1]).dictionary_encode(),
            pa.array([MOST], UNSIGNED).dictionary_encode(),
            pa.dictionary(pa.int32(), UNSIGNED),
        ),
        (pa.array([TENTH]), pa.array([MOST], UNSIGNED), pa.decimal256(22, 2)),
        (pa.array([2**63 - 1]), pa.array([TENTH]), pa.decimal256(22, 2)),
    ],
)
def test_whole_numbers_of_two_files_stay_whole(first: Any, second: Any, kind: Any) -> None:
    joined = join([pa.table({"x": first}), pa.table({"x": second})]).column("x")
    assert (joined.type, joined.to_pylist()) == (kind, first.to_pylist() + second.to_pylist())


def _periods(frequency: str) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.period_range("2024-01", periods=2, freq=frequency)})


def _intervals(*breaks: float) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.arrays.IntervalArray.from_breaks(breaks)})


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (_periods("M"), _periods("D"), "has the type period[M] in one file and period[D] in another"),
        (_periods("M"), _intervals(0, 1, 2), "period[M] in one file and interval[int64, closed right] in another"),
        (_intervals(0, 1), _intervals(0.5, 1), "interval[int64, closed right] in one file and interval[double"),
        (pd.DataFrame({"x": pd.Categorical(["a"])}), pd.DataFrame({"x": ["a"]}), "category of text in one file and t"),
        (pd.DataFrame({"x": [-1]}), pd.DataFrame({"x": pd.array([MOST], "uint64")}), "int64 in one file and uint64"),
        (pd.DataFrame({"x": [2**53 + 1]}), pd.DataFrame({"x": [0.5]}), "int64 in one file and double in another"),
    ],
)
def test_the_error_names_the_column_and_both_types(
    upload: Upload, first: pd.DataFrame, second: pd.DataFrame, words: str
) -> None:
    parts = [upload(pa.Table.from_pandas(frame)).table for frame in (first, second)]
    with pytest.raises(InvalidTable, match=re.escape("the files cannot be concatenated: column 'x' has")) as refused:
        join(parts)
    assert words in str(refused.value)


def test_one_file_stays_what_it_is(upload: Upload) -> None:
    frame = pd.DataFrame({"a": [1, 2], "s": ["x", None]})
    _, joined = _concatenated([upload(pa.Table.from_pandas(frame))])
    pd.testing.assert_frame_equal(joined, frame)
