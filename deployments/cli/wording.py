"""Says what the server says in the words of a command: its advice names fields and options of a request.

The server writes an option of a parser as ``the option NAME=VALUE`` or ``option 'NAME'``, and a field by its name.
"""

import re
from collections.abc import Mapping
from typing import Final

from runtime.datasets.file_types import COMPRESSIONS

_WITH_VALUE: Final = re.compile(r"(?:\bthe )?\boption (\w+=(?:'[^']*'|[\w.-]*\w))")
_BY_NAME: Final = re.compile(r"(?:\bthe )?\boption '(\w+)'")
_COMPRESSION: Final = re.compile(r"\bfile_compression '(\w+)'")
_ENDINGS: Final = {compression.name: compression.ending for compression in COMPRESSIONS}


def in_words_of_command(text: str, flags: Mapping[str, str], parser_flag: str = "") -> str:
    """Return a sentence of the server with the flags of a command.

    ``flags``: the flag of each field of the request. ``parser_flag``: the flag that takes an option of the parser.
    """
    if parser_flag:
        text = _WITH_VALUE.sub(rf"{parser_flag} \1", text)
        text = _BY_NAME.sub(rf"{parser_flag} \1", text)
        text = _COMPRESSION.sub(lambda found: f"a name that ends in {_ENDINGS.get(found[1], found[1])}", text)
    for field, flag in flags.items():
        is_word = "_" in field  # format and engine are words, too
        text = re.sub(rf"\b{field}\b" if is_word else rf"\b{field}(?= ')", flag, text)
    return text
