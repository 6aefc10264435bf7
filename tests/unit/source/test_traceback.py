"""What a caller is told about an exception: the user's lines, no path of this machine, whatever the exception does."""

import os
import sys
from typing import Any

import orjson
import pytest

from runtime.errors import Fields
from runtime.source import load_task
from runtime.traceback import describe_exception

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def described(source: str, graph: object = 1) -> Fields:
    """The description of what the source raises, as the process boundary sees it: legal JSON, of bounded size."""
    raised: list[BaseException] = []
    try:
        load_task(source).task(graph)
    except BaseException as exc:
        raised.append(exc)
    data = orjson.dumps(describe_exception(raised[0]))
    assert len(data) < 512 * 1024
    for root in (sys.prefix, os.path.dirname(os.__file__), REPOSITORY):
        assert root not in data.decode()
    fields: Fields = orjson.loads(data)
    assert "runtime/" not in fields["traceback"]
    return fields


def test_the_frames_of_the_user_are_listed_with_their_lines() -> None:
    fields = described("\ndef inner(g):\n    return 1 / (g - 1)\n\ndef task(g):\n    return inner(g)\n")
    assert fields["exception_type"] == "ZeroDivisionError"
    assert fields["exception_message"] == "division by zero"
    assert fields["frames"] == [
        {"line": 6, "function": "task", "source": "return inner(g)"},
        {"line": 3, "function": "inner", "source": "return 1 / (g - 1)"},
    ]
    lines = fields["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert '  File "<task>", line 6, in task' in lines
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_the_part_of_the_line_that_failed_is_marked() -> None:
    lines = described("def task(g):\n    return 'ä' + str(1 / (g - 1))\n")["traceback"].splitlines()
    line = lines.index("    return 'ä' + str(1 / (g - 1))")
    assert lines[line + 1].index("^") == lines[line].index("1 / (g")
    assert lines[line + 1].count("^") == len("1 / (g - 1)")


def test_an_error_of_the_top_level_is_described_like_one_of_the_task() -> None:
    fields = described("def task(g): pass\nraise LookupError('top')")
    assert fields["frames"] == [{"line": 2, "function": "<module>", "source": "raise LookupError('top')"}]


def test_frames_of_libraries_stay_in_the_text_with_short_paths() -> None:
    fields = described("import pandas, json\ndef task(g):\n    return pandas.DataFrame({'a': [1]})['b']\n")
    assert 'File "pandas/core/frame.py"' in fields["traceback"]
    assert [frame["line"] for frame in fields["frames"]] == [3]
    assert 'File "json/decoder.py"' in described("import json\ndef task(g): json.loads('{')")["traceback"]


def test_other_absolute_paths_are_reduced_to_their_last_part() -> None:
    source = "def task(g):\n  place = '/srv/secret/place/plugin.py'\n  exec(compile('1/0', place, 'exec'))"
    fields = described(source)
    assert 'File "plugin.py", line 1' in fields["traceback"]
    assert "secret" not in fields["traceback"]


def test_messages_do_not_name_the_directories_of_libraries() -> None:
    fields = described("def task(g):\n  from pandas import nothing_of_that_name")
    assert fields["exception_type"] == "ImportError"
    assert "(pandas/__init__.py)" in fields["exception_message"]


@pytest.mark.parametrize(
    ("body", "said", "order"),
    [
        ("raise KeyError('second') from error", "direct cause", ["first", "direct cause", "second"]),
        ("raise KeyError('second')", "During handling", ["first", "During handling", "second"]),
        ("raise KeyError('second') from None", "", ["second"]),
    ],
)
def test_chains_are_shown_oldest_first(body: str, said: str, order: list[str]) -> None:
    source = f"def task(g):\n  try:\n    raise ValueError('first')\n  except ValueError as error:\n    {body}"
    text = described(source)["traceback"].replace(body, "")
    assert said in text
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert ("first" in text) is (len(order) == 3)


def test_groups_show_their_members() -> None:
    source = """
def member(error):
    try:
        raise error
    except Exception as exc:
        return exc

def task(g):
    raise ExceptionGroup("several", [member(ValueError("one")), ExceptionGroup("inner", [member(OSError("two"))])])
"""
    fields = described(source)
    assert fields["exception_type"] == "ExceptionGroup"
    for part in (
        "several (2 sub-exceptions)",
        "  | ValueError: one",
        "  |   | OSError: two",
        "line 4, in member",
    ):
        assert part in fields["traceback"]


def test_a_syntax_error_at_run_time_shows_its_place() -> None:
    fields = described("def task(g):\n  eval('1 +')")
    assert 'File "<string>", line 1\n    1 +\nSyntaxError: invalid syntax' in fields["traceback"]


def test_notes_are_shown() -> None:
    fields = described("def task(g):\n  e = ValueError('x')\n  e.add_note('look here')\n  raise e")
    assert fields["traceback"].endswith("ValueError: x\nlook here\n")


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("import sys\ndef task(g): sys.exit(3)", "SystemExit", "3"),
        ("def task(g): raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("class Mine(Exception): pass\ndef task(g): raise Mine('m')", "Mine", "m"),
        ("import json\ndef task(g): json.loads('')", "json.decoder.JSONDecodeError", "Expecting value"),
        ("def task(g): raise KeyError('k')", "KeyError", "'k'"),
        ("def task(g): raise ValueError('\\udc80|\\ud83d\\ude00')", "ValueError", "\ufffd|\U0001f600"),
    ],
)
def test_type_and_message_are_told(source: str, name: str, message: str) -> None:
    fields = described(source)
    assert fields["exception_type"] == name
    assert fields["exception_message"].startswith(message)


@pytest.mark.parametrize(
    "source",
    [
        "def task(g): return task(g)",
        "def a(g): return b(g)\ndef b(g): return a(g)\ntask = a",
        "import sys\nsys.setrecursionlimit(9000)\ndef task(g): return task(g)",
    ],
)
def test_endless_recursion_is_abbreviated(source: str) -> None:
    limit = sys.getrecursionlimit()
    try:
        fields = described(source)
    finally:
        sys.setrecursionlimit(limit)
    assert fields["exception_type"] == "RecursionError"
    assert len(fields["frames"]) == 100
    assert "frames left out ...]" in fields["traceback"]
    assert len(fields["traceback"]) < 20_000


def test_a_line_that_repeats_is_counted() -> None:
    text = described("def task(g):\n  if not g: raise ValueError\n  task(g - 1)", 20)["traceback"]
    assert "[Previous line repeated 17 more times]" in text


HOSTILE = {
    "str raises": "class E(Exception):\n  def __str__(self): raise RuntimeError\n",
    "str exits": "class E(Exception):\n  def __str__(self): raise SystemExit(9)\n",
    "str is no str": "class E(Exception):\n  def __str__(self): return 5\n",
    "str is a hostile str": (
        "class S(str):\n  def __getattribute__(self, name): raise RuntimeError(name)\n"
        "  def __len__(self): raise RuntimeError\n  def __format__(self, spec): raise RuntimeError\n"
        "class E(Exception):\n  def __str__(self): return S('text')\n"
    ),
    "str recurses": "class E(Exception):\n  def __str__(self): return str(self)\n",
    "huge message": "class E(Exception):\n  def __str__(self): return 'x' * 50_000_000\n",
    "metaclass lies": (
        "class M(type):\n  def __getattribute__(cls, name): raise RuntimeError(name)\n"
        "class E(Exception, metaclass=M): pass\n"
    ),
    "module is no str": "class E(Exception): __module__ = 5\n",
    "properties raise": (
        "class E(Exception):\n"
        "  @property\n  def __cause__(self): raise RuntimeError\n"
        "  @property\n  def __context__(self): raise RuntimeError\n"
        "  @property\n  def __traceback__(self): raise RuntimeError\n"
        "  @property\n  def __notes__(self): raise RuntimeError\n"
    ),
    "attribute access raises": "class E(Exception):\n  def __getattribute__(self, name): raise SystemExit\n",
    "notes without end": "import itertools\nclass E(Exception): __notes__ = itertools.repeat('note')\n",
    "notes of other kinds": "class E(Exception): __notes__ = [1, None, 'n' * 10**7]\n",
    "syntax error of odd parts": (
        "class E(SyntaxError):\n  def __init__(self):\n"
        "    self.filename, self.lineno, self.text, self.msg = '/a/b', 10**5000, 7, object()\n"
    ),
    "long chain": (
        "def build():\n  top = last = Exception('0')\n  for n in range(100_000):\n"
        "    last.__cause__ = Exception(str(n)); last = last.__cause__\n  return top\nE = build\n"
    ),
    "circular chain": (
        "def E():\n  a, b = Exception('a'), Exception('b')\n  a.__cause__, b.__context__ = b, a\n  return a\n"
    ),
    "wide group": "def E(): return ExceptionGroup('g', [Exception('x' * 10_000)] * 100_000)\n",
    "deep group": (
        "def E():\n  g = Exception('leaf')\n  for n in range(5_000): g = ExceptionGroup('g', [g])\n  return g\n"
    ),
    "name is long": "E = type('E' * 10**6, (Exception,), {})\n",
    "names are not text": "E = type('\\u0416' * 3, (Exception,), {'__module__': '\\udc80'})\n",
}


@pytest.mark.parametrize("prelude", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_exception_that_fights_back_is_described_all_the_same(prelude: str) -> None:
    fields = described(prelude + "def task(g): raise E()")
    assert fields["frames"][0]["function"] == "task"
    assert fields["traceback"]
    assert all(isinstance(fields[name], str) for name in ("exception_type", "exception_message"))


def test_a_function_whose_code_lies_about_its_file_leaks_nothing() -> None:
    source = (
        "def lie(): 1 / 0\n"
        "path = '/nowhere/lib/python3.11/site-packages/x/y.py'\n"
        "lie.__code__ = lie.__code__.replace(co_filename=path, co_name='\\udc80')\n"
        "def task(g): lie()"
    )
    assert 'File "x/y.py", line 1, in \ufffd' in described(source)["traceback"]


def test_frames_of_this_package_are_never_shown() -> None:
    class Graph:
        def __getattr__(self, name: str) -> Any:
            return load_task("def task(g): raise ValueError('inside')").task(1)

    text = described("def task(g): return g.anything", Graph())["traceback"]
    assert "source.py" not in text
