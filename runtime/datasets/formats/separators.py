"""The options ``sep`` and ``delimiter``: a character, a text, or runs of blanks.

pandas reads a longer separator as a regular expression. Here it is plain text in which a backslash escapes the next
character (``\\|\\|`` is ``||``), because a hostile expression could take forever on a line made for it.
"""

import codecs
import re
from dataclasses import dataclass
from itertools import islice

from runtime.datasets.formats import bounds, charsets
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options, character, structure, text
from runtime.errors import InvalidTable

_BLANKS = r"\s+"
_EXPRESSION = re.compile(r"\\[A-Za-su-z0-9]|(?<!\\)[*+?()\[\]{}^$]|\\$")
_HEAD_LINES = 100
_MAX_LENGTH = 32
_OTHERS = {";": "sep=';'", "\t": "sep='\\t'", "|": "sep='|'"}
_QUOTED = re.compile(r'"[^"]*"?')
_HEAD_BYTES = 1 << 16
_COMPARED_LINES = 10
_COMMENTS = "#%"
_LINE_END = re.compile(r"\r\n|\r|\n")
_DECLARED = re.compile(r"\ufeff?\"?[sS][eE][pP]=([^\r\n\"])\"?(\r\n|\r|\n|$)")


@dataclass(frozen=True, slots=True)
class Separator:
    """``text`` separates two values; if it is empty, any run of blanks does."""

    text: str

    @classmethod
    def asked(cls, options: Options) -> "Separator":
        """Return the separator that the options name; by default a comma. Raises ``InvalidTable``."""
        given = text(options, "sep") or text(options, "delimiter") or ","
        if given == _BLANKS:
            return cls("")
        if len(given) > 1:
            if _EXPRESSION.search(given) or len(given) > _MAX_LENGTH:
                raise InvalidTable(
                    f"sep {given[:60]!r} is not supported: use one character, plain text (\\| for |), or \\s+"
                )
            given = re.sub(r"\\(.)", lambda found: "\t" if found[1] == "t" else found[1], given)
        if given in ("\n", "\r", '"'):
            raise InvalidTable(f"sep {given!r} cannot separate values")
        return cls(given)

    @property
    def is_plain(self) -> bool:
        """Return whether it is a single byte, which every reader takes."""
        return len(self.text) == 1 and self.text.isascii()

    @property
    def pattern(self) -> str:
        """The separator as pandas expects it."""
        return _BLANKS if not self.text else self.text if len(self.text) == 1 else re.escape(self.text)

    def refuse_wide(self, body: Body, options: Options) -> None:
        """Raise ``InvalidTable`` if one of the first lines has more values than a table may have columns.

        The readers would notice only after seconds and gigabytes.
        """
        lines = body.lines()
        head = [line for line, _ in zip(lines, range(_HEAD_LINES), strict=False)]
        if max(map(len, head), default=0) <= bounds.MAX_COLUMNS:
            return
        quote = re.escape(character(options, "quotechar", '"').encode())
        outside = re.sub(quote + b"[^" + quote + b"]*(" + quote + b"|$)", b"x", b"\n".join(head))
        for line in outside.split(b"\n"):
            bounds.check_columns(line.count(self.text.encode()) + 1 if self.text else len(line.split()))


def declared_in_file(body: Body, options: Options, encoding: str) -> tuple[Body, Options]:
    """Return the body after a first line ``sep=;``, which Excel writes and reads, and the options with that separator.

    A separator among the options goes before it.
    """
    found = _DECLARED.match(_head(body, encoding, 64))
    if found is None:
        return body, options
    mark = _mark_length(body, encoding)
    plain = found[0].removeprefix("\ufeff")
    options = {"sep": found[1], **options} if "delimiter" not in options else options
    if charsets.has_zeros(encoding):
        encoding = charsets.with_byte_order(encoding, body.head(4))
        options = {**options, "encoding": encoding}  # the rest has no byte order mark
    return body.after(mark + len(plain.encode(encoding.removesuffix("-sig")))), options


def _mark_length(body: Body, encoding: str) -> int:
    """Return how long the byte order mark is that the text begins with."""
    marks = charsets.MARKS if charsets.has_zeros(encoding) else (codecs.BOM_UTF8,)
    return next((len(mark) for mark in marks if body.head(4).startswith(mark)), 0)


def _head(body: Body, encoding: str, count: int) -> str:
    """Return the first bytes as text."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(body.head(count))


def _first_lines(body: Body, encoding: str, count: int) -> list[str]:
    """Return the first lines that are not empty, at most ``count``, without quoted text."""
    lines = _LINE_END.split(_head(body, encoding, _HEAD_BYTES).removeprefix("\ufeff"))
    return [_QUOTED.sub("", line) for line in islice(filter(None, lines), count)]


def refuse_other(body: Body, encoding: str) -> None:
    """Raise ``InvalidTable`` if the lines have no comma, but all the same number of another separator."""
    head = _first_lines(body, encoding, 1)
    if not head or "," in head[0]:
        return
    head = _first_lines(body, encoding, _COMPARED_LINES)
    for separator, option in _OTHERS.items():
        count = head[0].count(separator)
        if count and all(line.count(separator) == count for line in head[1:] if line.strip()):
            raise InvalidTable(
                f"the header has no comma: is the file separated by {separator!r}? send the option {option} "
                "(or the option sep=',' for a table of one column)"
            )


def hint(body: Body, options: Options, encoding: str) -> str:
    """Return which option may help with lines of different width: the file may begin with comments or with a title."""
    separator = Separator.asked(options)
    lines = _LINE_END.split(_head(body, encoding, _HEAD_BYTES).removeprefix("\ufeff"))[:_HEAD_LINES]
    mark = next((line[0] for line in lines if line and line[0] in _COMMENTS), None)
    if mark is not None and "comment" not in options:
        return f"; if lines that begin with {mark} are comments, send the option comment='{mark}'"
    if not separator.text or any(name in options for name in ("skiprows", "header", "names")):
        return ""
    counts = [_QUOTED.sub("", line).count(separator.text) for line in lines]
    widest = max(counts, default=0)
    first = counts.index(widest) if widest else 0
    is_title = first and all(count < widest for count in counts[:first])
    return f"; if the table begins in line {first + 1}, send the option skiprows={first}" if is_title else ""


def with_blank_lines(body: Body, options: Options, separator: Separator, encoding: str) -> tuple[Body, Options]:
    """Return body and options by which a blank line in a table of one column is a missing value.

    Blank lines before the header and after the last value are none.
    """
    header = structure(options, "header")
    counts_lines = "skip_blank_lines" in options or "skiprows" in options or header not in (None, "infer", 0)
    if counts_lines or not separator.is_plain:
        return body, options
    head = _first_lines(body, encoding, 1)
    if not head or separator.text in head[0]:
        return body, options
    mark = _mark_length(body, encoding)
    if charsets.has_zeros(encoding):
        encoding = charsets.with_byte_order(encoding, body.head(4))  # the rest has no byte order mark
    encoded = (text.encode(encoding.removesuffix("-sig")) for text in ("\r", "\n", "\n\n", "\n\r\n", "\r\r"))
    carriage_return, line_feed, *blank = encoded
    inner = (body.after(mark) if mark else body).without_outer_blank_lines(carriage_return, line_feed)
    if not any(inner.find(ends) >= 0 for ends in blank):
        return body, options
    return inner, {**options, "encoding": encoding, "skip_blank_lines": False}
