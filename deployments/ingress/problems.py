"""What is wrong with a body, in our own words: where it is in the body, and what must be there instead.

pydantic's own words name its types and our classes. Those are not for clients.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final  # Any: JSON

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MOST_PROBLEMS: Final = 10
"""A sentence names so many problems at most, because a list may be wrong in every item."""

_PART_CHARACTERS: Final = 60

_SAYINGS: Final = {
    "missing": "is missing",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "string_unicode": "must be a string of valid Unicode",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "none_required": "must be null",
    "literal_error": "must be {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "extra_forbidden": "is not known",
}
"""What must be at a place, by the type of pydantic's error. A type that is not here keeps pydantic's words."""

_BEGINNING: Final = re.compile(r"^\w+ should\b")


def sentence_of(error: ValidationError, body: Mapping[str, Any]) -> str:
    """Return one sentence that names every wrong field of a body and what each must be, up to a number of them."""
    wanted: dict[tuple[str, ...], list[str]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        sayings = wanted.setdefault(_place(detail, body), [])
        saying = _saying(detail)
        if saying not in sayings:
            sayings.append(saying)
    # Something of several possible types is told by what is wrong inside it, if one of the types fits so far.
    outer = {place[:length] for place in wanted for length in range(len(place))}
    inner = {place: sayings for place, sayings in wanted.items() if place not in outer}
    problems = [f"{_shown(place)} {_joined(sayings)}" for place, sayings in inner.items()]
    more = len(problems) - MOST_PROBLEMS
    return "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def _place(detail: ErrorDetails, body: Any) -> tuple[str, ...]:
    """Return the keys and positions that lead to a place. Names of types, which pydantic adds, lead nowhere."""
    place: list[str] = []
    here = body
    for index, part in enumerate(detail["loc"], 1):
        is_absent = detail["type"] == "missing" and index == len(detail["loc"])
        if isinstance(here, dict) and isinstance(part, str) and (part in here or is_absent):
            place.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            place.append(str(part))
            here = here[part]
    return tuple(place)


def _saying(detail: ErrorDetails) -> str:
    known = _SAYINGS.get(detail["type"])
    if known is not None:
        return known.format(**detail.get("ctx", {}))
    return _BEGINNING.sub("must", detail["msg"])


def _joined(sayings: Sequence[str]) -> str:
    """Return "must be a or b" for "must be a" and "must be b"."""
    first, *others = sayings
    return " or ".join((first, *(saying.removeprefix("must be ") for saying in others)))


def _shown(place: tuple[str, ...]) -> str:
    parts = (part if len(part) <= _PART_CHARACTERS else part[:_PART_CHARACTERS] + "…" for part in place)
    return ".".join(parts) or "the body"
