"""Folds: what a name shares with every name that people take for the same.

``Alice`` and ``ALICE`` have one fold, and so has ``Аlice`` with a Cyrillic letter. A new name needs a fold that nobody
has. Names from before there were folds stay, in pairs too.

This is a part of Unicode Technical Standard 39. A new name has letters and digits of the scripts in everyday use only
(section 3.1), so none that cannot be seen and none that stand for letters in phonetics or in old books. Each word of it
has letters of one script, or of scripts that are written together (section 5.2, "highly restrictive"). A fold is the
case-folded name in which one letter stands for all that look like it (section 4), and ASCII digits for all digits.
We add letters that look alike in upper case only, and take the two kinds and sizes of Kana for one. ASCII characters
stand for themselves: ``bob1`` and ``bobl`` are two names.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Final

from auth.confusables import ALIKE, ALLOWED, VERSION
from auth.names import normal

_ALIKE: Final = (
    ("авгеѕһіјкӏмнорԛстуѵԝхԁүҽ", "abreshijklmhopqctyvwxdye"),  # Cyrillic; those of upper case too, as н for Н
    ("αβγεζηικμνορστυχωϲϳ", "abyezhikmvopotuxwcj"),  # Greek
    ("ոսօհյցզ", "nuohjgq"),  # Armenian
    ("ıɑɡɩʏǀ", "iagiyl"),  # Latin beyond ASCII
)
_DOT_ABOVE: Final = "\u0307"
"""What is left of the Turkish capital İ."""

_RULES: Final = f"2 {unicodedata.unidata_version} {VERSION}"
"""What a fold depends on."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_EVERYDAY: Final = frozenset(
    chr(code)
    for first, _, last in (each.partition("-") for each in ALLOWED.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
)
_EVERYDAY_NAMES: Final = ("CJK UNIFIED IDEOGRAPH", "HANGUL SYLLABLE")
_HAN: Final = frozenset(("CJK", "IDEOGRAPHIC"))
_OF_NO_SCRIPT: Final = frozenset(("MODIFIER", "KATAKANA-HIRAGANA"))
_TOGETHER: Final = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)


def fold(name: str) -> str:
    """Return what the name shares with its look-alikes."""
    folded = unicodedata.normalize("NFKC", normal(name).casefold()).translate(_kana()).translate(_looks_like())
    return "".join(map(_digit, folded.replace(_DOT_ABOVE, "")))


def kept_fold(name: str) -> str:
    """Return the fold for the catalog. It begins with ``kept_folds()``, which changes when folds do."""
    return f"{kept_folds()}{fold(name)}"


def kept_folds() -> str:
    """Return how all folds begin that the catalog has by the rules of today."""
    return f"{_RULES} "


def unusual_character(name: str) -> str | None:
    """Return the first letter or digit that no new name may have, if there is one."""
    return next((each for each in normal(name) if each.isalnum() and not is_everyday(each)), None)


def is_everyday(character: str) -> bool:
    """Return True for a letter or digit that a new name may have."""
    return character in _EVERYDAY or unicodedata.name(character, "").startswith(_EVERYDAY_NAMES)


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


@cache
def _looks_like() -> dict[int, str]:
    """Return for each letter beyond ASCII that looks like others the one that stands for them."""
    classes: dict[str, set[str]] = {}
    ours = (pair for letters, latins in _ALIKE for pair in map("".join, zip(letters, latins, strict=True)))
    for alike in (*ALIKE.split(), *ours):
        members = set(alike).union(*(classes[each] for each in alike if each in classes))
        classes.update(dict.fromkeys(members, members))
    return {ord(each): max(members, key=_rank) for each, members in classes.items() if not each.isascii()}


def _rank(letter: str) -> tuple[bool, bool, str]:
    return letter.isascii(), letter.isalpha(), letter


@cache
def _kana() -> dict[int, str]:
    """Return the large Katakana for small ones and for Hiragana."""
    found = {}
    for code in range(0x3041, 0x30FB):
        name = unicodedata.name(chr(code), "")
        large = name.replace("HIRAGANA", "KATAKANA").replace("LETTER SMALL", "LETTER")
        if large != name:
            with suppress(KeyError):
                found[code] = unicodedata.lookup(large)
    return found


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
