"""Write ``auth/confusables.py`` from the data of Unicode Technical Standard 39.

    python -m tools.confusables IdentifierStatus.txt confusables.txt 17.0.0 > auth/confusables.py

Both files are in https://www.unicode.org/Public/security/latest/.
"""

import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_WORD: Final = re.compile(r"\w")
_HAN: Final = ("CJK UNIFIED", "HANGUL SYLLABLE")
_WIDTH: Final = 110


def main(status: Path, confusables: Path, version: str) -> None:
    """Print the module."""
    characters = [character for character in _allowed(status) if _is_in_names(character)]
    others = [each for each in characters if not unicodedata.name(each).startswith(_HAN)]
    print(f'"""What Unicode {version} says of characters in names. Made by ``tools/confusables.py``; do not edit."""\n')
    print("from typing import Final\n")
    print(f'VERSION: Final = "{version}"\n')
    about = "Letters and digits that identifiers may have, but Han and Hangul: ranges in hexadecimal."
    _print("ALLOWED", about, _ranges(others))
    classes = _classes([each for each in characters if _folded(each) == each], _prototypes(confusables))
    print()
    _print("ALIKE", "Letters that look alike, in lower case: each word is a class.", classes)


def _allowed(path: Path) -> Iterator[str]:
    """Return the characters whose Identifier_Status is Allowed."""
    for fields in _lines(path):
        if fields[1] == "Allowed":
            first, _, last = fields[0].partition("..")
            yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


def _prototypes(path: Path) -> dict[str, str]:
    return {_text(fields[0]): _text(fields[1]) for fields in _lines(path)}


def _classes(characters: Iterable[str], prototypes: dict[str, str]) -> Iterator[str]:
    """Return the sets of characters that have the same skeleton. Digits are left out: a fold knows their values."""
    alike = defaultdict(list)
    for character in characters:
        if not character.isdecimal() or character.isascii():
            apart = unicodedata.normalize("NFD", character)
            skeleton = unicodedata.normalize("NFD", "".join(prototypes.get(each, each) for each in apart))
            alike[skeleton].append(character)
    return ("".join(found) for found in alike.values() if len(found) > 1)


def _ranges(characters: list[str]) -> Iterator[str]:
    codes = sorted(map(ord, characters))
    firsts = [code for code, before in zip(codes, [-1, *codes], strict=False) if code != before + 1]
    lasts = [code for code, after in zip(codes, [*codes[1:], -1], strict=True) if code != after - 1]
    return (f"{first:x}" if first == last else f"{first:x}-{last:x}" for first, last in zip(firsts, lasts, strict=True))


def _is_in_names(character: str) -> bool:
    return bool(_WORD.match(character)) and unicodedata.normalize("NFKC", character) == character


def _folded(character: str) -> str:
    return unicodedata.normalize("NFKC", character.casefold())


def _print(name: str, about: str, words: Iterable[str]) -> None:
    lines: list[str] = []
    line = ""
    for word in words:
        if _width(line) + _width(word) > _WIDTH:
            lines, line = [*lines, line], ""
        line += f"{word} "
    print(f"{name}: Final = (")
    print("".join(f'    "{each}"\n' for each in (*lines, line.rstrip())), end="")
    print(f')\n"""{about}"""')


def _width(text: str) -> int:
    """Return how many columns a text takes: letters of East Asia take two."""
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _lines(path: Path) -> Iterator[list[str]]:
    for line in path.read_text("utf-8-sig").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            yield [field.strip() for field in text.split(";")]


def _text(codes: str) -> str:
    return "".join(chr(int(code, 16)) for code in codes.split())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
