"""Parquet's old times (INT96), which Spark and Hive write."""

import datetime
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.errors import InvalidTable

Upload = Callable[..., Any]
FAR = datetime.datetime(9999, 12, 31)


def _old(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, use_deprecated_int96_timestamps=True, compression="none")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([datetime.datetime(1, 1, 1), None, FAR], pa.timestamp("us")),
        ([datetime.datetime(1600, 1, 1)], pa.timestamp("us")),
        ([[FAR, None], None, []], pa.list_(pa.timestamp("us"))),
        ([{"t": FAR}, {"t": None}], pa.struct([("t", pa.timestamp("us"))])),
        ([datetime.datetime(2262, 4, 11), None], pa.timestamp("ns")),
        ([], pa.timestamp("ns")),
    ],
)
def test_old_times_are_right_in_every_year(upload: Upload, values: list[Any], kind: pa.DataType) -> None:
    stored = upload(_old(pa.table({"t": pa.array(values, kind), "n": pa.array(range(len(values)))})), "parquet")
    assert stored.table.column("t").to_pylist() == values
    assert stored.table.schema.field("t").type == pa.array(values, kind).type


def test_nanoseconds_stay_beside_a_column_of_far_times(upload: Upload) -> None:
    table = pa.table({"far": pa.array([FAR], pa.timestamp("us")), "near": pa.array([1], pa.timestamp("ns"))})
    stored = upload(_old(table), "parquet").table
    assert stored.column("near").cast(pa.int64()).to_pylist() == [1]
    assert stored.column("far").to_pylist() == [FAR]


def test_far_times_beside_nanoseconds_in_one_column_are_refused(upload: Upload) -> None:
    written = bytearray(_old(pa.table({"t": pa.array([1, 2], pa.timestamp("ns"))})))
    epoch = (2440588).to_bytes(4, "little")  # the Julian day of 1970-01-01
    at = written.index((1).to_bytes(8, "little") + epoch) + 8
    written[at : at + 4] = (5373484).to_bytes(4, "little")  # of 9999-12-31
    with pytest.raises(InvalidTable, match="before 1677 or after 2262 and times with nanoseconds"):
        upload(bytes(written), "parquet")
