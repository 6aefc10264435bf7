"""Folds: what a name shares with every name that people take for the same.

``Alice`` and ``ALICE`` have one fold, and so has ``Аlice`` with a Cyrillic letter. A new name needs a fold that nobody
has. Names from before there were folds stay, in pairs too.

This is a small part of Unicode Technical Standard 39. Each word of a name has letters of one script, or of scripts that
are written together (section 5.2, "highly restrictive"). A fold is the case-folded name in which those letters of
Cyrillic, Greek and Armenian that look like Latin ones stand for these (section 4), and all digits for ASCII digits.
ASCII characters stand for themselves: ``bob1`` and ``bobl`` are two names.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from auth.names import normal

_ALIKE: Final = (
    ("авгеѕһіјкӏмнорԛстуѵԝхԁүҽ", "abreshijklmhopqctyvwxdye"),  # Cyrillic; those of upper case too, as н for Н
    ("αβγεζηικμνορστυχωϲϳ", "abyezhikmvopotuxwcj"),  # Greek
    ("ոսօհյցզ", "nuohjgq"),  # Armenian
    ("ıɑɡɩʏǀ", "iagiyl"),  # Latin beyond ASCII
)
_LOOKS_LIKE: Final = {
    ord(letter): latin for letters, latins in _ALIKE for letter, latin in zip(letters, latins, strict=True)
}
_DOT_ABOVE: Final = "\u0307"
"""What is left of the Turkish capital İ."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_HAN: Final = frozenset(("CJK", "IDEOGRAPHIC"))
_OF_NO_SCRIPT: Final = frozenset(("MODIFIER", "KATAKANA-HIRAGANA"))
_TOGETHER: Final = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)


def fold(name: str) -> str:
    """Return what the name shares with its look-alikes."""
    folded = unicodedata.normalize("NFKC", normal(name).casefold()).translate(_LOOKS_LIKE).replace(_DOT_ABOVE, "")
    return "".join(map(_digit, folded))


def mixes_scripts(name: str) -> bool:
    """Return True if a word of the name has letters of scripts that are not written together."""
    return any(not _fits(scripts) for scripts in map(_scripts, _WORD.findall(normal(name))))


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of two or more names that share a fold."""
    groups = defaultdict(list)
    for name in names:
        groups[fold(name)].append(name)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]


def _fits(scripts: set[str]) -> bool:
    return len(scripts) < 2 or any(scripts <= together for together in _TOGETHER)


def _scripts(word: str) -> set[str]:
    """Return the scripts of the letters. Python knows them only as the first words of the letters' names."""
    first = {unicodedata.name(letter, "UNNAMED").partition(" ")[0] for letter in word}
    return {"HAN" if script in _HAN else script for script in first - _OF_NO_SCRIPT}


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
