"""The guard against names that the next version of a library lacks, tried on libraries that are always there."""

import pytest

from tools.gpu.names import problems, uses

ROOTS = frozenset({"json", "decimal", "collections"})


def wrong(source: str) -> list[str]:
    return list(problems(uses(source, "x.py", ROOTS)))


@pytest.mark.parametrize(
    "source",
    [
        "import json\njson.dumps({}, indent=1)",
        "import json.decoder as j\nj.JSONDecoder().decode('1')",
        "from collections import Counter as C\ndef f():\n    kept = C()\n    kept.most_common(3)",
        "class A:\n  def __init__(self):\n    import json\n    self._j = json\n  def f(self):\n    self._j.loads('1')",
        "class A:\n  def f(self):\n    self._j.loads('1')\n  def g(self):\n    import json\n    self._j = json",
        "import json\ndef f(json):\n    json.nothing_of_the_kind()",
        "import json\ndef f(*a, **k):\n    json.dumps(*a, **k)",
        "import os\nos.nothing_of_the_kind()",
    ],
    ids=[
        "module",
        "alias",
        "instance",
        "attribute",
        "set later",
        "hidden by an argument",
        "starred",
        "another library",
    ],
)
def test_what_is_there_is_no_problem(source: str) -> None:
    assert wrong(source) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import json\njson.dumpz({})", "json.dumpz"),
        ("from json import dumpz", "json.dumpz"),
        ("def f():\n    import json as j\n    return j.decoder.JSONDecoderr", "json.decoder.JSONDecoderr"),
        ("import json\nclass A:\n    j = json\n    def f(self):\n        json.loads()", "missing a required argument"),
        ("import json\njson.loads('1', 2, 3)", "too many positional arguments"),
        ("from collections import Counter\nc = Counter()\nc.most_common(1, 2)", "too many positional arguments"),
        ("from collections import Counter\nCounter().least_common()", "least_common"),
        ("import collections.nothing", "collections"),
    ],
)
def test_what_is_not_there_is_one_and_its_line_is_told(source: str, says: str) -> None:
    found = wrong(source)
    assert found
    assert all(line.startswith("x.py:") and says in line for line in found)


def test_it_reads_our_own_sources() -> None:
    from tests.unit.docs.markdown import ROOT

    source = (ROOT / "tools" / "gpu" / "questions" / "device.py").read_text(encoding="utf-8")
    names = {use.name for use in uses(source, "device.py")}
    assert {"cuda.bindings.driver.cuMemCreate", "cudf.DataFrame.device_deserialize"} <= names
    assert "cuda.bindings.driver.CUmemAccessDesc().location.type" in names


def test_functions_of_the_driver_that_are_named_by_text_are_read_too() -> None:
    (use,) = uses("def f(self):\n    self._checked('cuMemCreate', 2, self._how, 0)", "x.py")
    assert (use.name, use.arguments) == ("cuda.bindings.driver.cuMemCreate", 3)
