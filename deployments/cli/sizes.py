"""Sizes as people type them."""

import re

from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]i?b?|b?)", re.IGNORECASE | re.ASCII)
_POWERS = "kmgt"


def byte_count(text: str, option: str) -> int:
    """Bytes of ``2GiB``, ``2G`` (the same), ``2GB`` (decimal), ``2048``. Raises ``WrongInput``, naming the option."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise WrongInput(f"{option} {printable(text)} is no size; say for example 512MiB or 2GiB")
    number, unit = float(match[1]), match[2].lower()
    base = 1000 if len(unit) == 2 and unit.endswith("b") else 1024
    count = int(number * base ** (_POWERS.index(unit[0]) + 1 if unit[:1] in tuple(_POWERS) else 0))
    if count == 0:
        raise WrongInput(f"{option} must be more than 0")
    return count
