"""Reads the type of a file from its name: ``edges.csv.gz`` is gzipped CSV."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final  # Any: JSON values

from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable
from deployments.cli.wording import in_words_of_command
from runtime.datasets.file_types import COMPRESSIONS, FILE_TYPE_NAMES, FILE_TYPES

TYPE_ENDINGS: Final = {ending: (kind, options) for kind in FILE_TYPES for ending, options in kind.endings.items()}
"""The type of a file by its ending, and the parser options that the ending implies."""

COMPRESSION_ENDINGS: Final = {compression.ending: compression for compression in COMPRESSIONS}


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file with one table, and how the server has to read it. ``stem`` is the file's name without its endings."""

    path: Path
    stem: str
    file_type: str
    compression: str
    byte_count: int
    parser_options: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""
    """What the names of this table's own flags begin with: ``nodes-``."""

    def in_words_of_command(self, text: str) -> str:
        """Return a sentence of the server about this file in the words of ``dataset put``."""
        return in_words_of_command(text, {"file_type": f"--{self.prefix}type"}, f"--{self.prefix}option")


def table_file(path: Path, given: Sequence[str] = (), type_name: str | None = None, *, prefix: str = "") -> TableFile:
    """Describe a file, and how to read it by options that are given as ``NAME=VALUE``.

    ``type_name``: the type of the file; by default, the ending of its name says it. ``prefix``: as in ``TableFile``.
    Raises ``WrongInput`` if the file is missing or empty, if its type is unknown, or for an option that files of its
    type do not have.
    """
    endings = [ending.lower() for ending in path.suffixes]
    compression = COMPRESSION_ENDINGS.get(endings[-1]) if endings else None
    ending = (endings[-2:-1] if compression else endings[-1:]) or [""]
    file_type, options = TYPE_ENDINGS.get(ending[0], (None, {}))
    if type_name is not None:
        asked = next((kind for kind in FILE_TYPES if kind.name == type_name.lower()), None)
        if asked is None:
            raise WrongInput(f"the type {printable(type_name)} is unknown; use one of {' '.join(FILE_TYPE_NAMES)}")
        file_type, options = asked, options if asked == file_type else {}
    if file_type is None:
        raise WrongInput(
            f"{printable(path)}: the ending of the name must be one of {' '.join(TYPE_ENDINGS)}, "
            f"and may be followed by one of {' '.join(COMPRESSION_ENDINGS)}; or name the type of the file with --type"
        )
    try:
        with open(path, "rb"):
            byte_count = path.stat().st_size
    except OSError as error:
        raise WrongInput(f"{printable(path)} cannot be read: {error.strerror}") from None
    if not path.is_file():
        raise WrongInput(f"{printable(path)} is not a regular file")
    if byte_count == 0:
        raise WrongInput(f"{printable(path)} is empty")
    stem = path.with_suffix("").stem if compression else path.stem
    named = compression.name if compression else ""
    file = TableFile(path, stem, file_type.name, named, byte_count, dict(options), prefix)
    file.parser_options.update(_options(file, given))
    return file


def _options(file: TableFile, given: Sequence[str]) -> dict[str, str]:
    """Return the options of the parser by name. The server reads their texts as it reads those of a query."""
    options = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not (separator and name):
            raise WrongInput(f"an option must be NAME=VALUE, such as sep=';', not {printable(text)}")
        options[name] = value
    if options:
        from runtime.datasets.formats import check_options  # it loads every reader
        from runtime.errors import InvalidTable

        try:
            check_options(file.file_type, options)
        except InvalidTable as error:
            raise WrongInput(printable(file.in_words_of_command(error.message))) from None
    return options
