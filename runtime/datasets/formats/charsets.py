"""The option ``encoding``: the codecs of Python that may decode an upload."""

import codecs
import re

from runtime.errors import InvalidTable

# Some codecs do not encode text (bz2, base64, rot13), and some take quadratic time (punycode).
_ALLOWED = re.compile(
    r"utf-(7|8|8-sig|16|32)|utf-(16|32)-[bl]e|ascii|iso8859-\d+|cp\d+|mac-\w+|koi8-\w|gb\w+|big5\w*|"
    r"(shift_jis|euc_|iso2022_)\w*|hz|johab|ptcp154|kz1048|tis-620|hp-roman8"
)
_WITH_ZEROS = re.compile(r"utf-(16|32)")
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks of wide encodings; the longer first, because one begins like another."""


def checked(name: str | None) -> str:
    """Return the codec's canonical name; UTF-8 by default. Raises ``InvalidTable`` for a codec that may not be used."""
    try:
        found = codecs.lookup(name or "utf-8").name
    except (LookupError, ValueError) as error:
        raise InvalidTable(f"encoding {str(name)[:60]!r} is unknown") from error
    if not _ALLOWED.fullmatch(found):
        raise InvalidTable(f"encoding {name!r} does not encode text")
    return found


def has_zeros(encoding: str) -> bool:
    """Return whether text in this encoding has zero bytes."""
    return _WITH_ZEROS.match(encoding) is not None


def encoded(word: str, encoding: str) -> tuple[bytes, ...]:
    """Return the bytes that a word may be in text of this encoding: those of both byte orders, if none is named.

    UTF-7 may have any letter in base64, after a plus sign.
    """
    if encoding == "utf-7":
        return (word.encode(), b"+")
    if has_zeros(encoding) and not encoding.endswith(("-le", "-be")):
        return tuple(word.encode(f"{encoding}{order}") for order in ("-le", "-be"))
    return (word.encode(encoding).removeprefix(codecs.BOM_UTF8),)


def with_byte_order(encoding: str, head: bytes) -> str:
    """Return the codec that reads wide text without its byte order mark, which ``head`` may have."""
    if encoding.endswith(("-le", "-be")):
        return encoding
    marked = next((name for mark, name in MARKS.items() if head.startswith(mark) and name.startswith(encoding)), "")
    return marked or f"{encoding}-le"
