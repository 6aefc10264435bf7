"""The options ``sep`` and ``delimiter``: a character, a text, or runs of blanks.

pandas reads a longer separator as a regular expression. Here it is plain text in which a backslash escapes the next
character (``\\|\\|`` is ``||``), because a hostile expression could take forever on a line made for it.
"""

import re
from dataclasses import dataclass

from runtime.datasets.formats import bounds
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options, character, text
from runtime.errors import InvalidTable

_BLANKS = r"\s+"
_EXPRESSION = re.compile(r"\\[A-Za-su-z0-9]|(?<!\\)[*+?()\[\]{}^$]|\\$")
_HEAD_LINES = 100
_MAX_LENGTH = 32
_OTHERS = {b";": "sep=;", b"\t": "sep=\\t", b"|": "sep=|"}
_QUOTED = re.compile(rb'"[^"]*"?')
_HEAD_BYTES = 1 << 16
_COMPARED_LINES = 10
_BOM = b"\xef\xbb\xbf"
_DECLARED = re.compile(rb'"?[sS][eE][pP]=([^\r\n"])"?\r?$')


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


def declared_in_file(body: Body, options: Options) -> tuple[Body, Options]:
    """Return the body after a first line ``sep=;``, which Excel writes and reads, and the options with that separator.

    A separator among the options goes before it.
    """
    first = bytes(next(body.lines(), b"")[:16]).removeprefix(_BOM)
    found = _DECLARED.match(first)
    if found is None:
        return body, options
    rest = body.after_line()
    given = "sep" in options or "delimiter" in options
    return rest, options if given else {**options, "sep": found[1].decode("ascii", "replace")}


def refuse_other(body: Body) -> None:
    """Raise ``InvalidTable`` if the lines have no comma, but all the same number of another separator."""
    lines = (bytes(line[:_HEAD_BYTES]) for line in body.lines() if line)
    head = [_QUOTED.sub(b"", line) for line, _ in zip(lines, range(_COMPARED_LINES), strict=False)]
    if not head or b"," in head[0]:
        return
    for separator, option in _OTHERS.items():
        count = head[0].count(separator)
        if count and all(line.count(separator) == count for line in head[1:] if line.strip()):
            name = repr(separator.decode())
            raise InvalidTable(
                f"the header has no comma: is the file separated by {name}? send the option {option} "
                "(or sep=, for a table of one column)"
            )
