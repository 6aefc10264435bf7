"""Tables as bytes, and what becomes of them: parsed in a job, mapped in a holder, used in a run."""

import io
import json
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.engines.base import DatasetSource
from runtime.errors import RuntimeFailure
from tests.unit.sandbox.conftest import PAYLOAD, Rig

GOOD = "def task(g): return len(g._edges)"
LOOK = """
def task(g):
    kept = [str(dtype) for dtype in g._edges.dtypes], g._edges.memory_usage(deep=True).sum()
    return [len(g._edges), kept, repr(g._edges)[:100], g._edges.head(2).to_json(default_handler=str)[:100], g._source]
"""


def ipc(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def used(rig: Rig, content: bytes, file_type: str, payload: Any = PAYLOAD) -> str:
    """Upload a table and run a task on it; return ``ok`` or the type of the failure."""
    incoming = rig.store.incoming()
    incoming.write_bytes(content)
    try:
        made = rig.wait(rig.uploads.parse(incoming.name, file_type, "", {}, user="1"))
        source = DatasetSource(uuid4().hex, {"edges": made["id"]}, made["byte_count"], dict(payload))
        outcome = rig.run(source, LOOK)
        assert outcome.cause != "TaskCrashed", outcome.failure
        return outcome.cause
    except RuntimeFailure as failure:
        assert "signal 11" not in failure.message
        json.dumps(failure.to_wire())
        return failure.type
    finally:
        incoming.unlink()
