"""Formulas without a value: a program that does not calculate writes them, and a reader sees empty cells.

The XML of a sheet is looked through piece by piece, without a parser: nothing in it is resolved.
"""

import re
import zipfile
from html import unescape
from typing import Final

from runtime.errors import InvalidTable

_EMPTY_FORMULA = re.compile(
    rb"<P?c\b([^>]{0,256}[^/>])?>\s*<P?f\b(?:[^>]{0,256}/>|[^>]{0,256}>[^<]{0,65536}</P?f>)\s*"
    rb"(?:<P?v\s*/>|<P?v>\s*</P?v>)?\s*</P?c>".replace(b"P?", b"(?:[A-Za-z0-9]+:)?")
)
"""A cell with a formula and no value; names may have a prefix."""

_EMPTY_TEXT = re.compile(rb"\bt\s*=\s*[\"']str[\"']")
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{1,3}[0-9]{1,7})[\"']")
_LONGEST: Final = 1 << 16  # bytes of a cell with a formula; Excel allows 8,192 characters
_SHEET = re.compile(r"<(?:\w+:)?sheet\b[^>]{0,1024}>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\b[^>]{0,1024}>")
_MOST_XML: Final = 1 << 22


class Formulas:
    """What is known of the formulas of one sheet."""

    def __init__(self) -> None:
        self.first_empty: str | None = None
        """The place of the first formula without a value, such as ``B2``."""

        self._tail = b""

    def see(self, piece: bytes) -> None:
        """Look at the next piece of the sheet's XML."""
        if self.first_empty is not None:
            return
        text = self._tail + piece
        self._tail = text[-_LONGEST:]
        if b"<f" not in text and b":f" not in text:
            return
        for found in _EMPTY_FORMULA.finditer(text):
            attributes = found[1] or b""
            if not _EMPTY_TEXT.search(attributes):
                place = _PLACE.search(attributes)
                self.first_empty = place[1].decode() if place else ""
                return


def member_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the archive's member with this sheet, or None if the workbook does not say."""
    try:
        workbook, relations = (
            archive.open(name).read(_MOST_XML).decode("utf-8", "replace")
            for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")
        )
    except KeyError:
        return None
    tag = next((tag for tag in _SHEET.findall(workbook) if _attribute(tag, "name") == sheet), "")
    wanted = _attribute(tag, r"\w+:id")
    target = next(
        (_attribute(tag, "Target") for tag in _RELATION.findall(relations) if _attribute(tag, "Id") == wanted), None
    )
    if wanted is None or target is None:
        return None
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def refuse_empty(formulas: dict[str, Formulas], member: str | None, sheet: str) -> None:
    """Raise ``InvalidTable`` if the sheet has a formula without a value. An unknown member stands for all."""
    seen = [formulas[member]] if member in formulas else formulas.values()
    place = next((one.first_empty for one in seen if one.first_empty is not None), None)
    if place is not None:
        where = f"cell {place}" if place else "a cell"
        raise InvalidTable(
            f"{where} of sheet {sheet[:60]!r} has a formula, and nothing has calculated its value; open the workbook "
            "in Excel or LibreOffice, save it, and send it again"
        )


def _attribute(tag: str, name: str) -> str | None:
    found = re.search(rf"\s{name}\s*=\s*(\"[^\"]*\"|'[^']*')", tag)
    return unescape(found[1][1:-1]) if found else None
