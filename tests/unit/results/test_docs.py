"""docs/results.md is held to account: what its tables say is what happens."""

import ast
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import pathlib
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runtime.errors import ResultNotSerializable
from runtime.results.encoding import encode

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "results.md"
NAMES = {
    "collections": collections,
    "dataclasses": dataclasses,
    "decimal": decimal,
    "dt": datetime,
    "enum": enum,
    "fractions": fractions,
    "functools": functools,
    "ipaddress": ipaddress,
    "np": np,
    "pa": pa,
    "pathlib": pathlib,
    "pd": pd,
    "uuid": uuid,
}


def rows(heading: str) -> list[tuple[str, str, str]]:
    """The cells of the table that begins with this line; examples have no `|` in them."""
    lines = PAGE.read_text().splitlines()
    found = []
    for line in lines[lines.index(heading) + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found.append((cells[0], cells[1].strip("`"), cells[2].strip("`")))
    return found


def encoded(example: str) -> str:
    sink = io.BytesIO()
    code = compile(ast.parse(example, mode="eval"), "docs/results.md", "eval")
    encode(eval(code, dict(NAMES)), "json", "json", False, sink)
    return sink.getvalue().decode()


@pytest.mark.parametrize(("rule", "example", "sent"), rows("| value | for example | is sent as |"))
def test_values_are_sent_as_the_page_says(rule: str, example: str, sent: str) -> None:
    assert encoded(example) == sent


@pytest.mark.parametrize(("rule", "example", "said"), rows("| value | for example | what is said |"))
def test_values_are_refused_as_the_page_says(rule: str, example: str, said: str) -> None:
    with pytest.raises(ResultNotSerializable) as caught:
        encoded(example)
    assert said in caught.value.message
