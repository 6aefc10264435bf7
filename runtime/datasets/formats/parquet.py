"""Parquet."""

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options, refuse_unknown
from runtime.errors import InvalidTable


def read(body: Body, options: Options) -> pa.Table:
    """Return the decoded table. There are no options."""
    refuse_unknown(options, (), "parquet")
    if not body.looks_like("parquet"):
        raise body.refuse("a Parquet file")
    try:
        return pq.ParquetFile(body.reader(), pre_buffer=False).read(use_threads=False)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise InvalidTable(f"the Parquet file is truncated or damaged: {str(error)[:300]}") from error
