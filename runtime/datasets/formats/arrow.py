"""Arrow IPC, the file format and the stream format, told apart by their first bytes (protocol 2.2)."""

from typing import Any, Final

import pyarrow as pa

from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options, refuse_unknown
from runtime.errors import InvalidTable

_EXTENSION_IN_DICTIONARY: Final = "Ran out of field metadata"  # Arrow writes such columns, and cannot read them


def read(body: Body, options: Options) -> pa.Table:
    """Return the table; it shares the body's pages unless it is compressed. There are no options."""
    refuse_unknown(options, (), "arrow")
    is_file = body.looks_like("arrow")
    if body.signature() is not None and not is_file:
        raise body.refuse("Arrow IPC")
    ipc: Any = pa.ipc  # the stubs lack ensure_alignment
    settings = ipc.IpcReadOptions(use_threads=False, ensure_alignment=ipc.Alignment.DataTypeSpecific)
    open_body: Any = ipc.open_file if is_file else ipc.open_stream
    try:
        table: pa.Table = open_body(body.reader(), options=settings).read_all()
        return table
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        # The last three come from pandas, which reads the parameters of its own extension types.
        if _EXTENSION_IN_DICTIONARY in str(error):
            raise InvalidTable(
                "a column has categories that Arrow does not read, such as the intervals of pd.cut; send it as text, "
                "with .astype(str)"
            ) from error
        if is_file:
            raise InvalidTable(f"the Arrow file is truncated or damaged: {str(error)[:300]}") from error
        raise InvalidTable(
            f"the body is not Arrow IPC (file or stream), or it is truncated: {str(error)[:300]}"
        ) from error
