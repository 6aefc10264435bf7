"""Large documents are written in pieces: the same bytes, the same errors, and memory that does not grow with them."""

import enum
import io
import resource
import subprocess
import sys
from collections import deque
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from runtime.errors import ResultNotSerializable
from runtime.results.encoding import encode
from tests.waiting import WITHIN_S

LONG = 'ä\n"\\x' * 400_000


def encoded(value: object) -> bytes:
    sink = io.BytesIO()
    encode(value, "json", "json", False, sink)
    return sink.getvalue()


PLAIN: dict[str, object] = {
    "many items": list(range(300_000)),
    "many members": {str(n): n for n in range(300_000)},
    "many records": [{"n": n, "s": "text", "l": [n, None]} for n in range(50_000)],
    "few large lists": {"a": [[0.5] * 200_000] * 3, "b": {"c": list(range(200_000))}, "d": 1},
    "long texts": {"a": LONG, "b": [LONG, "short", LONG]},
    "large at the end": [*range(5000), [1] * 200_000],
    "empty things": [[], {}, "", [[1] * 200_000], {}],
    "one list many times": [[list(range(1000))] * 1000],
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN.keys())
def test_pieces_make_the_same_bytes_as_the_whole(value: object) -> None:
    assert encoded(value) == orjson.dumps(value)


ODD: dict[str, tuple[object, object]] = {
    "array": (np.arange(300_000), list(range(300_000))),
    "arrays in a list": ([np.arange(200_000)] * 2, [list(range(200_000))] * 2),
    "series": ({"s": pd.Series(range(300_000))}, {"s": list(range(300_000))}),
    "frame in a list": ([pd.DataFrame({"a": range(200_000)})], [[{"a": n} for n in range(200_000)]]),
    "large inside small": (deque([deque([tuple(range(200_000))])]), [[list(range(200_000))]]),
    "bytes": ([b"\0" * 6_000_000], ["A" * 8_000_000]),
    "set": (set(range(200_000)), list(range(200_000))),
    "integer keys": ({n: n for n in range(200_000)}, {str(n): n for n in range(200_000)}),
    "surrogates": ("\ud83d\ude00\udc80" * 200_000, "\U0001f600\ufffd" * 200_000),
}


@pytest.mark.parametrize(("value", "expected"), ODD.values(), ids=ODD.keys())
def test_large_odd_values_follow_the_same_rules(value: object, expected: object) -> None:
    assert encoded(value) == orjson.dumps(expected)


def nested(depth: int, inner: object) -> object:
    for _ in range(depth):
        inner = [inner]
    return inner


def test_something_large_may_be_nested_as_deeply_as_anything() -> None:
    assert encoded(nested(254, LONG)) == b"[" * 254 + orjson.dumps(LONG) + b"]" * 254


def large_knot() -> object:
    knot: list[Any] = [LONG]
    knot.append({"again": knot})
    return knot


class Mirror(enum.Enum):
    SELF = 1


object.__setattr__(Mirror.SELF, "_value_", Mirror.SELF)

REFUSED: dict[str, tuple[object, str]] = {
    "item": ([1] * 10_000 + [object()], "at result[10000]: a value of type object"),
    "member": ({"a": {str(n): n for n in range(200_000)} | {"last": 1j}}, "at result['a']['last']"),
    "below a large item": ([[1] * 200_000, {"x": [LONG, object()]}], "at result[1]['x'][1]"),
    "cell": ([pd.DataFrame({"a": [*range(60_000), object()]})], "at result[0][60000]['a']"),
    "keys in different pieces": (dict.fromkeys([1, *map(str, range(2, 200_000)), "1"], 0), "both written as '1'"),
    "circular and large": (large_knot(), "at result[1]['again']: it contains itself"),
    "deep and large": (nested(255, LONG), "deeper than 254 levels"),
    "deep inside odd values": (nested(200, deque([nested(54, 1)])), "deeper than 254 levels"),
    "enum of itself": ([Mirror.SELF], "contains itself"),
}


@pytest.mark.parametrize(("value", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_errors_name_the_place_in_the_whole_document(value: object, said: str) -> None:
    with pytest.raises(ResultNotSerializable) as caught:
        encoded(value)
    assert said in caught.value.message


@pytest.mark.parametrize("fan", [2, 1000])
def test_a_small_value_that_is_an_endless_document_meets_the_end_of_its_file(fan: int) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 100_000:
                raise OSError(27, "full")
            return super().write(data)

    value: object = 1
    for _ in range(30):
        value = [value] * fan
    with pytest.raises(OSError, match="full"):
        encode(value, "json", "json", False, Full())


SCARCE = """
import io, resource
import pandas as pd
from runtime.results.encoding import encode

class Counter(io.RawIOBase):
    length = 0
    def write(self, data):
        self.length += len(data)
        return len(data)
    def tell(self):
        return self.length

value = VALUE
with open("/proc/self/statm") as statm:
    mapped = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 96 * 2**20,) * 2)
sink = Counter()
encode(value, "json", "json", False, sink)
print(sink.length)
"""

LONG_DOCUMENTS: dict[str, tuple[str, int]] = {
    "texts": ('["x" * 1000] * 200_000', 200_600_001),
    "keys": ('[{"k" * 100_000: 1}] * 2000', 200_014_001),
    "records": ('[{"n": 1, "s": "x" * 1000}] * 200_000', 203_000_001),
    "columns": ("pd.DataFrame({'n': range(200_000), 's': pd.Categorical(['x' * 1000] * 200_000)})", 203_888_891),
    "names of columns": ("pd.DataFrame({'n' * 100_000: [1] * 2000})", 200_014_001),
}


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="address space cannot be limited here")
@pytest.mark.parametrize(("value", "length"), LONG_DOCUMENTS.values(), ids=LONG_DOCUMENTS.keys())
def test_a_document_much_larger_than_free_memory_is_written(value: str, length: int) -> None:
    """orjson alone crashes here: it does not survive a buffer that cannot grow."""
    script = SCARCE.replace("VALUE", value)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(length), "")
