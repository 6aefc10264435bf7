"""The option ``encoding``: which of Python's codecs may decode an upload."""

import codecs
import re

from runtime.errors import InvalidTable

# Some codecs are no encodings of text (bz2, base64, rot13), and some take time that grows with the square (punycode).
_ALLOWED = re.compile(
    r"utf-(7|8|8-sig|16|32)|utf-(16|32)-[bl]e|ascii|iso8859-\d+|cp\d+|mac-\w+|koi8-\w|gb\w+|big5\w*|"
    r"(shift_jis|euc_|iso2022_)\w*|hz|johab|ptcp154|kz1048|tis-620|hp-roman8"
)
_WITH_ZEROS = re.compile(r"utf-(16|32)")


def checked(name: str | None) -> str:
    """The codec's own name, UTF-8 where none is given. Raises ``InvalidTable`` for one that may not be used."""
    try:
        found = codecs.lookup(name or "utf-8").name
    except (LookupError, ValueError) as error:
        raise InvalidTable(f"encoding {str(name)[:60]!r} is unknown.") from error
    if not _ALLOWED.fullmatch(found):
        raise InvalidTable(f"encoding {name!r} is not one for text.")
    return found


def has_zeros(encoding: str) -> bool:
    """Whether text in this encoding holds zero bytes."""
    return _WITH_ZEROS.match(encoding) is not None
