"""Encodes what a task returned into the bytes that its caller gets: one branch for each cell of protocol 4.6."""

import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, cast

from runtime.errors import ResultNotSerializable, RunFailed
from runtime.results.csv_tables import write_csv
from runtime.results.kinds import FORMATS, Format, OutputType, ResultKind, complete
from runtime.results.parquet_tables import write_parquet
from runtime.results.returned import Graph, as_frame, graph_of, shape_of, table_of
from runtime.results.sink import Sink
from runtime.results.stream import write_json
from runtime.results.unwritable import Unwritable
from runtime.text import clip, legal_text, type_name

if TYPE_CHECKING:
    from runtime.results.frames import Frame

_MESSAGE_CHARACTERS: Final = 4096


class _Writer(NamedTuple):
    """A format. ``name`` stands in sentences. ``write`` raises ``Unwritable``. ``nothing`` encodes a missing table."""

    name: str
    write: "Callable[[Frame, Sink], None]"
    nothing: bytes


_WRITERS: Final[dict[Format, _Writer]] = complete(
    {
        "json": _Writer("JSON", write_json, b"[]"),
        "csv": _Writer("CSV", lambda part, out: write_csv(as_frame(part), out), b""),
        "parquet": _Writer("Parquet", lambda part, out: write_parquet(as_frame(part), out), b""),
    },
    FORMATS,
)


def encode(
    value: object, output_type: OutputType, file_format: Format, accepts_text: bool, sink: BinaryIO
) -> ResultKind:
    """Write what a task returned to a raw binary file that is open at its start, and return the kind of the result.

    ``accepts_text`` writes a ``str`` under ``json`` as it is (protocol 4.6, the string dilemma). Afterwards
    ``sink.tell()`` is the length of the result, which may be 0. After an error the content of the file is void.

    Raises:
        ResultNotSerializable: the value has no encoding, or reading it raised (then with ``exception_type`` and
            ``exception_message``).
        OSError: the file refused a write (EPERM, EFBIG, ENOSPC: the result is larger than its limit).
        MemoryError: while encoding.
    """
    out = Sink(sink)
    try:
        kind = _encode(value, output_type, file_format, accepts_text, out)
        out.flush()
    except MemoryError:
        raise
    except RunFailed:
        raise
    except Unwritable as exc:
        raise _unwritable(exc, output_type, file_format) from exc
    except BaseException as exc:  # a boundary: reading the value runs the user's code, which may even exit
        if exc is out.failure:
            raise
        if out.failure is not None:  # a writer wrapped it in an error of its own
            raise out.failure from exc
        raise _raised(exc) from exc
    return kind


def _encode(value: object, output_type: OutputType, file_format: Format, accepts_text: bool, out: Sink) -> ResultKind:
    if output_type == "json":  # whatever the format: it is for tables only
        return _write_value(value, accepts_text, out)
    if output_type == "table":
        return _write_table(table_of(value), file_format, out)
    graph = graph_of(value, output_type)
    if output_type == "shape":
        return _write_table(shape_of(graph), file_format, out)
    if output_type == "all":
        return _write_graph(graph, file_format, out)
    return _write_table(graph.nodes if output_type == "nodes" else graph.edges, file_format, out)


def _write_value(value: object, accepts_text: bool, out: Sink) -> ResultKind:
    if isinstance(value, str) and accepts_text:
        out.write(legal_text(value).encode())
        return "text"
    write_json(value, out)
    return "json"


def _write_graph(graph: Graph, file_format: Format, out: Sink) -> ResultKind:
    """Write both tables: one JSON object, or an uncompressed zip with a member for each table."""
    parts = {"nodes": graph.nodes, "edges": graph.edges}
    if file_format == "json":
        write_json({name: [] if part is None else part for name, part in parts.items()}, out)
        return "json"
    with zipfile.ZipFile(cast(BinaryIO, out), "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            # a ZipInfo has a fixed date, so that equal results are equal bytes
            info = zipfile.ZipInfo(f"{name}.{file_format}")
            with archive.open(info, "w", force_zip64=True) as member:
                _within(name, part, file_format, Sink(cast(BinaryIO, member)))
    return "zip"


def _within(name: str, part: "Frame | None", file_format: Format, out: Sink) -> None:
    """Write one table of a graph. An ``Unwritable`` names the table."""
    try:
        _write_table(part, file_format, out)
    except Unwritable as exc:
        exc.path.insert(0, name)
        raise


def _write_table(part: "Frame | None", file_format: Format, out: Sink) -> ResultKind:
    """Write one table; a missing one is an empty list, or no bytes at all (protocol 4.6)."""
    writer = _WRITERS[file_format]
    if part is None:
        out.write(writer.nothing)
    else:
        writer.write(part, out)
    return file_format


def _unwritable(exc: Unwritable, output_type: OutputType, file_format: Format) -> ResultNotSerializable:
    form = _WRITERS["json" if output_type == "json" else file_format].name
    place = f" at {exc.where()}" if exc.path else ""
    reason = legal_text(clip(exc.reason, _MESSAGE_CHARACTERS))
    return ResultNotSerializable(f"the task's result cannot be written as {form}{place}: {reason}")


def _raised(exc: BaseException) -> ResultNotSerializable:
    name = type_name(type(exc))
    try:
        message = legal_text(clip(str(exc), _MESSAGE_CHARACTERS))
    except BaseException:  # the user's own __str__
        message = "its message could not be read"
    return ResultNotSerializable(
        f"writing the task's result raised {name}: {message}", exception_type=name, exception_message=message
    )
