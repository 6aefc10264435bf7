"""The options ``sep`` and ``delimiter``: a character, a text, or runs of blanks.

pandas takes a longer separator for a regular expression. Here it is a text, in which a backslash makes the next
character plain (``\\|\\|`` is ``||``): an expression from outside could take for ever on a line made for it.
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


@dataclass(frozen=True, slots=True)
class Separator:
    """``text`` between two values, or any run of blanks where it is empty."""

    text: str

    @classmethod
    def asked(cls, options: Options) -> "Separator":
        """The separator that the options name; a comma otherwise. Raises ``InvalidTable``."""
        given = text(options, "sep") or text(options, "delimiter") or ","
        if given == _BLANKS:
            return cls("")
        if len(given) > 1:
            if _EXPRESSION.search(given) or len(given) > _MAX_LENGTH:
                raise InvalidTable(
                    f"sep {given[:60]!r} is not supported: use one character, a text (with \\ before |), or \\s+."
                )
            given = re.sub(r"\\(.)", lambda found: "\t" if found[1] == "t" else found[1], given)
        if given in ("\n", "\r", '"'):
            raise InvalidTable(f"sep {given!r} is not one that can separate values.")
        return cls(given)

    @property
    def is_plain(self) -> bool:
        """Whether it is a single byte, which every reader can take."""
        return len(self.text) == 1 and self.text.isascii()

    @property
    def pattern(self) -> str:
        """As pandas takes it."""
        return _BLANKS if not self.text else self.text if len(self.text) == 1 else re.escape(self.text)

    def refuse_wide(self, body: Body, options: Options) -> None:
        """Raises ``InvalidTable`` where one of the first lines has more values than a table may have columns.

        Readers need seconds and gigabytes before they could say so themselves.
        """
        lines = body.lines()
        head = [line for line, _ in zip(lines, range(_HEAD_LINES), strict=False)]
        if max(map(len, head), default=0) <= bounds.MAX_COLUMNS:
            return
        quote = re.escape(character(options, "quotechar", '"').encode())
        outside = re.sub(quote + b"[^" + quote + b"]*(" + quote + b"|$)", b"x", b"\n".join(head))
        for line in outside.split(b"\n"):
            bounds.check_columns(line.count(self.text.encode()) + 1 if self.text else len(line.split()))
