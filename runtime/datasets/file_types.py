"""What can be uploaded: each file type and each compression with its name, its endings and its first bytes.

The readers, the routes and the command line derive their lists from these two tables. Importing them costs nothing:
readers are named, not imported.

To add a file type, write its reader in ``formats/`` and add it here. To add a compression, write its stream in
``formats/compression.py`` and add it here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final  # Any: JSON values

ZIP_MAGIC: Final = b"PK\x03\x04"
_NO_OPTIONS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class FileType:
    """A type of file that an upload may declare as its ``file_type``."""

    name: str
    reader: str
    """``module.function`` below ``runtime.datasets.formats``."""

    endings: Mapping[str, Mapping[str, Any]]
    """Endings of file names, and the parser options that each of them implies."""

    magic: bytes = b""
    """How such a file begins; empty for text."""

    words: str = ""
    """What to call a file that begins so."""

    first_entries: tuple[bytes, ...] = field(default=())
    """For a type that is a zip archive: how the name of its first entry may begin."""

    in_path: bool = True
    """True if the path of an upload to a dataset may name this type (protocol 3)."""


@dataclass(frozen=True, slots=True)
class Compression:
    """A compression that an upload may declare as its ``file_compression``."""

    name: str
    ending: str
    magic: bytes
    words: str


FILE_TYPES: Final = (
    FileType("arrow", "arrow.read", {".arrow": _NO_OPTIONS, ".feather": _NO_OPTIONS}, b"ARROW1", "an Arrow file"),
    FileType("csv", "csv.read", {".csv": _NO_OPTIONS, ".tsv": {"sep": "\t"}}),
    FileType("json", "json.read", {".json": _NO_OPTIONS, ".jsonl": {"lines": True}, ".ndjson": {"lines": True}}),
    FileType("orc", "orc.read", {".orc": _NO_OPTIONS}, b"ORC", "an ORC file"),
    FileType("parquet", "parquet.read", {".parquet": _NO_OPTIONS, ".pq": _NO_OPTIONS}, b"PAR1", "a Parquet file"),
    FileType(
        "xls",
        "excel.read_xls",
        {".xls": _NO_OPTIONS},
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old or an encrypted Excel file",
        in_path=False,
    ),
    FileType(
        "xlsx",
        "excel.read_xlsx",
        {".xlsx": _NO_OPTIONS},
        ZIP_MAGIC,
        "an Excel workbook",
        first_entries=(b"[Content_Types].xml", b"xl/", b"_rels/", b"docProps/"),
        in_path=False,
    ),
)

COMPRESSIONS: Final = (
    Compression("gzip", ".gz", b"\x1f\x8b", "gzip data"),
    Compression("bz2", ".bz2", b"BZh", "bzip2 data"),
    Compression("zip", ".zip", ZIP_MAGIC, "a zip archive"),
    Compression("xz", ".xz", b"\xfd7zXZ\x00", "xz data"),
    Compression("zstd", ".zst", b"\x28\xb5\x2f\xfd", "zstd data"),
)

FILE_TYPE_NAMES: Final = tuple(kind.name for kind in FILE_TYPES)
COMPRESSION_NAMES: Final = tuple(compression.name for compression in COMPRESSIONS)
