"""Encode a value as the seat of a run does."""

import io

from runtime.results.encoding import encode
from runtime.results.kinds import Format, OutputType


def encoded(value: object, output_type: OutputType, file_format: Format) -> tuple[str, bytes]:
    """Return the kind and the bytes of a result."""
    sink = io.BytesIO()
    kind = encode(value, output_type, file_format, False, sink)
    assert sink.tell() == len(sink.getvalue())
    return kind, sink.getvalue()
