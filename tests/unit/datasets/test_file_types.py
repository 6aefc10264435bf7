"""The tables that readers, routes and the command line derive their lists from."""

import subprocess
import sys

from runtime.datasets.file_types import COMPRESSION_NAMES, COMPRESSIONS, FILE_TYPE_NAMES, FILE_TYPES
from runtime.datasets.formats import READERS, compression


def test_each_name_and_each_ending_is_listed_once_and_can_be_read() -> None:
    endings = [*(ending for kind in FILE_TYPES for ending in kind.endings), *(kind.ending for kind in COMPRESSIONS)]
    assert len(set(endings)) == len(endings)
    assert list(READERS) == list(FILE_TYPE_NAMES) == sorted(FILE_TYPE_NAMES)
    assert set(compression._STREAMS) == set(COMPRESSION_NAMES)


def test_a_binary_type_says_what_its_files_are() -> None:
    assert all(bool(kind.magic) == bool(kind.words) for kind in FILE_TYPES)


def test_the_tables_import_no_library() -> None:
    code = "import sys, runtime.datasets.file_types; print({'numpy', 'pandas', 'pyarrow', 'orjson'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
