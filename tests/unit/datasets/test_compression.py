"""Compressed uploads: every compression, its bombs, and what is said of data that is none."""

import gzip
import io
import lzma
import os
import random
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.datasets.file_types import COMPRESSION_NAMES
from runtime.datasets.parser import parse_upload
from runtime.errors import InvalidTable
from tests.unit.datasets.compressions import compressed, zipped
from tests.unit.datasets.workbooks import XLS

Upload = Callable[..., Any]

CSV = b"a,b\n" + b"1,x\n" * 1000
EXPECTED = {"a": [1] * 1000, "b": ["x"] * 1000}


@pytest.mark.parametrize("compression", COMPRESSION_NAMES)
def test_every_compression_is_read(upload: Upload, compression: str) -> None:
    assert upload(compressed(CSV, compression), "csv", compression=compression).table.to_pydict() == EXPECTED
    for named in (compression, "infer"):
        stored = upload(compressed(CSV, compression), "csv", {"compression": named})
        assert stored.table.to_pydict() == EXPECTED


@pytest.mark.parametrize("compression", COMPRESSION_NAMES)
def test_binary_formats_may_be_compressed_too(upload: Upload, compression: str) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), sink)
    assert upload(compressed(sink.getvalue(), compression), "parquet", compression=compression).report["row_count"] == 1
    assert upload(compressed(XLS, compression), "xls", compression=compression).report["row_count"] == 2


@pytest.mark.parametrize("compression", ["gzip", "bz2", "xz", "zstd"])
def test_several_streams_in_one_file_are_one(upload: Upload, compression: str) -> None:
    parts = [compressed(part, compression) for part in (b"", b"a\n1\n", b"", b"2\n")]
    padding = bytes(8) if compression == "xz" else b""
    stored = upload(padding.join(parts) + padding, "csv", compression=compression)
    assert stored.table.to_pydict() == {"a": [1, 2]}


@pytest.mark.parametrize("compression", COMPRESSION_NAMES)
def test_data_that_ends_early_is_called_truncated(upload: Upload, compression: str) -> None:
    noise = random.Random(7).randbytes(200_000).hex().encode()
    with pytest.raises(InvalidTable, match=f"the {compression} data is truncated or damaged"):
        upload(compressed(noise, compression)[:100_000], "csv", compression=compression)


@pytest.mark.parametrize("compression", COMPRESSION_NAMES)
def test_data_that_is_not_compressed_is_said_to_be_so(upload: Upload, compression: str) -> None:
    with pytest.raises(InvalidTable, match=f"the body is not {compression} data"):
        upload(CSV, "csv", compression=compression)


@pytest.mark.parametrize("compression", ["gzip", "bz2", "xz", "zstd", "zip"])
def test_compression_that_was_not_declared_is_recognised(upload: Upload, compression: str) -> None:
    with pytest.raises(InvalidTable, match=f"not CSV; declare file_compression '{compression}'"):
        upload(compressed(CSV, compression), "csv")
    with pytest.raises(
        InvalidTable, match=f"the decompressed gzip data is .* declare file_compression '{compression}'"
    ):
        upload(compressed(compressed(CSV, compression), "gzip"), "csv", compression="gzip")


def test_two_declarations_must_agree(upload: Upload) -> None:
    with pytest.raises(InvalidTable, match="file_compression is 'gzip', but the option 'compression' is 'xz'"):
        upload(compressed(CSV, "gzip"), "csv", {"compression": "xz"}, compression="gzip")
    assert upload(compressed(CSV, "gzip"), "csv", {"compression": "gz"}, compression="gzip").table.num_rows == 1000


def test_nothing_compressed_is_empty(upload: Upload) -> None:
    with pytest.raises(InvalidTable, match="the decompressed gzip data is empty"):
        upload(gzip.compress(b""), "csv", compression="gzip")


@pytest.mark.parametrize("compression", COMPRESSION_NAMES)
def test_a_bomb_stops_at_the_limit_of_its_ratio(upload: Upload, compression: str) -> None:
    megabyte = b"1\n" * (1 << 19)
    bomb = compressed(megabyte * 70, "zip") if compression == "zip" else compressed(megabyte, compression) * 70
    with pytest.raises(InvalidTable, match=r"larger than its limit of 67,108,864 bytes once decompressed"):
        upload(bomb, "csv", compression=compression)


@pytest.mark.parametrize("compression", COMPRESSION_NAMES)
def test_the_limit_of_the_request_holds_and_is_the_most_that_is_written(tmp_path: Path, compression: str) -> None:
    with tempfile.TemporaryFile() as body, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as scratch:
        body.write(compressed(CSV, compression))
        body.flush()
        request = {"file_type": "csv", "file_compression": compression, "decompressed_bytes": len(CSV) - 1}
        with pytest.raises(InvalidTable, match="larger than its limit of 4,003 bytes once decompressed"):
            parse_upload(request, body.fileno(), out.fileno(), scratch.fileno())
        assert os.fstat(scratch.fileno()).st_size < len(CSV)
        parse_upload({**request, "decompressed_bytes": len(CSV)}, body.fileno(), out.fileno(), scratch.fileno())


def test_xz_with_an_absurd_dictionary_is_refused(upload: Upload) -> None:
    content = bytearray(lzma.compress(CSV))
    header = slice(12, 12 + (content[12] + 1) * 4)
    assert content[14:16] == b"\x21\x01"  # LZMA2, and one byte that says how large its dictionary is
    content[16] = 40  # 4 GiB
    content[header.stop - 4 : header.stop] = zlib.crc32(content[header][:-4]).to_bytes(4, "little")
    with pytest.raises(InvalidTable, match="too large a dictionary; compress it with xz -9 or less"):
        upload(bytes(content), "csv", compression="xz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(("a.csv", CSV), ("b.csv", CSV)), "holds 2 files ('a.csv', 'b.csv'); it must hold exactly one"),
        (zipped(), "the body is not|no file"),
        (zipped(("folder/", b"")), "holds no file; it must hold exactly one"),
        (zipped(("a.csv", CSV), method=zipfile.ZIP_LZMA), "method other than deflate"),
        (zipped(*((f"{i}", b"") for i in range(20))), "holds 20 files ('0', '1', '2', '3', '4', …)"),
    ],
)
def test_archives_that_hold_something_else(upload: Upload, content: bytes, words: str) -> None:
    with pytest.raises(InvalidTable) as caught:
        upload(content, "csv", compression="zip")
    assert any(word in caught.value.message for word in words.split("|"))


def test_what_systems_leave_in_archives_does_not_count(upload: Upload) -> None:
    content = zipped(("data/", b""), ("data/t.csv", CSV), ("__MACOSX/data/._t.csv", b"x"), ("data/.DS_Store", b"x"))
    assert upload(content, "csv", compression="zip").table.num_rows == 1000


def test_an_archive_s_lying_sizes_do_not_help(upload: Upload) -> None:
    content = bytearray(zipped(("t.csv", b"a\n" + b"1\n" * 100_000)))
    entry = content.rfind(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (10).to_bytes(4, "little")  # the size before compression, in the directory
    with pytest.raises(InvalidTable, match="truncated or damaged"):
        upload(bytes(content), "csv", compression="zip")


def test_an_archive_with_an_endless_directory_is_refused(upload: Upload) -> None:
    content = zipped(*((f"{number:0250}", b"") for number in range(30_000)))
    with pytest.raises(InvalidTable, match="lists too many files"):
        upload(content, "csv", compression="zip")
