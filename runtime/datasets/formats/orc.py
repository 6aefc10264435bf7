"""ORC."""

import pyarrow as pa
import pyarrow.orc as pyorc

from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options, refuse_unknown
from runtime.errors import InvalidTable


def read(body: Body, options: Options) -> pa.Table:
    """Return the decoded table. There are no options. Timestamps without a zone keep their wall-clock time."""
    refuse_unknown(options, (), "orc")
    if not body.looks_like("orc"):
        raise body.refuse("an ORC file")
    try:
        return pyorc.ORCFile(body.reader()).read()
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        if "emory" in str(error):  # the decompressors say so only in their text
            raise MemoryError from error
        if "out of range for nanosecond" in str(error):
            raise InvalidTable(
                "the ORC file has a time before 1678 or after 2261, which its reader does not hold; send it as Parquet"
            ) from error
        raise InvalidTable(f"the ORC file is truncated or damaged: {str(error)[:300]}") from error
