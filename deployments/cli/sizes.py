"""Sizes in bytes, as people type and read them."""

import re
from typing import Final

from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]i?b?|b?)", re.IGNORECASE | re.ASCII)
_POWERS = "kmgt"

GIB: Final = 1024**3


def byte_count(text: str, option: str) -> int:
    """Return the bytes of ``2GiB``, ``2G`` (the same), ``2GB`` (decimal) or ``2048``.

    Raises ``WrongInput``, which names the option.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise WrongInput(f"{option} {printable(text)} is not a size such as 512MiB or 2GiB")
    number, unit = float(match[1]), match[2].lower()
    base = 1000 if len(unit) == 2 and unit.endswith("b") else 1024
    count = int(number * base ** (_POWERS.index(unit[0]) + 1 if unit[:1] in tuple(_POWERS) else 0))
    if count == 0:
        raise WrongInput(f"{option} must be more than 0")
    return count


def size(byte_count: float) -> str:
    """Return bytes as text for people: ``1.5 GiB``."""
    units = ["TiB", "GiB", "MiB", "KiB", "bytes"]
    while byte_count >= 1024 and len(units) > 1:
        byte_count /= 1024
        units.pop()
    digits = 0 if byte_count >= 10 or units[-1] == "bytes" else 1
    return f"{byte_count:.{digits}f} {units[-1]}"
