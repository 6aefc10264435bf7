"""Contract 4.3: what source text may look like when it arrives, and what is said when it cannot be a task."""

import inspect
import sys
import textwrap
import traceback
from typing import Any

import pytest

from runtime import source as sources
from runtime.errors import InvalidSource
from runtime.source import compile_task, load_task, remember

SEED_ONE_LINE = (
    "         def task(g):             return {                 'nodes': g['nodes'] if g is not None else [], "
    "                'edges': g['edges'] if g is not None else []             }     "
)


def call(source: str, graph: object = 1) -> Any:
    return load_task(source).task(graph)


def as_client_sends(source: str) -> str:
    """What PyGraphistry does before sending: dedent, then four spaces before every line."""
    return "\n".join("    " + line for line in textwrap.dedent(source).split("\n"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def task(g):\n    return g + 1", 2),
        ("\n\n  def task(g):\n    return g + 1\n", 2),
        ("\tdef task(g):\n\t\treturn g + 1", 2),
        ("def task(g):\r\n\treturn g + 1\r\n", 2),
        ("def task(g):\r  return g + 1\r", 2),
        ("\ufeff    def task(g):\n        return g + 1", 2),
        ("    \n    \n    x = 1\n    \n    def task(g):\n      return g + x\n    ", 2),
        ("   # a comment\n  def task(g): return g + 1", 2),
        ("# a comment at column zero\n    def task(g):\n        return g + 1", 2),
        ("task = lambda g: g + 1", 2),
        ("class Adder:\n  def __call__(self, g): return g + 1\ntask = Adder()", 2),
        ("import functools\ntask = functools.partial(lambda a, g: a + g, 1)", 2),
        ("def task(g, more=1, *rest, last=0, **others): return g + more", 2),
        ("def task(*graphs): return len(graphs) + 1", 2),
        ("task = abs", 1),
        ("from __future__ import annotations\ndef task(g: Unknown) -> Unknown: return g + 1", 2),
        ("    from __future__ import annotations\n    def task(g: Unknown): return g + len('''\n''')", 2),
        ("def helper(n): return n and helper(n - 1)\ndef task(g): return helper(g)", 0),
        ("def task(g): return __name__", "task_module"),
        ("\x0cdef task(g): return g + 1", 2),
        ("def task(g):\n  s = 'a\u2028b'\n  return g + 1", 2),
    ],
)
def test_source_is_accepted_as_it_arrives(source: str, expected: object) -> None:
    assert call(source) == expected


def test_the_one_line_form_of_the_documented_curl_call_works() -> None:
    assert call(SEED_ONE_LINE, {"nodes": [1], "edges": [2]}) == {"nodes": [1], "edges": [2]}


def test_the_indent_of_the_client_comes_off_inside_triple_quoted_strings_and_nothing_else_does() -> None:
    source = 'def task(g):\n  return """a\n    b\n\n      \n\t c \n"""\n'
    sent = "\n".join("    " + line for line in source.split("\n"))
    assert call(sent) == call(source) == "a\n    b\n\n      \n\t c \n"


def test_a_short_blank_line_becomes_empty_and_a_long_one_keeps_its_rest() -> None:
    sent = '    def task(g):\n      return """a\n  \n       \n    """\n'
    assert call(sent) == "a\n\n   \n"


@pytest.mark.parametrize("indent", ["    ", "\t"])
def test_uneven_indentation_leaves_the_text_of_strings_alone(indent: str) -> None:
    source = f"{indent}def task(g):\n{indent}{indent}return '''at\ncolumn\n{indent}zero'''\n"
    loaded = load_task(source)
    assert loaded.task(1) == f"at\ncolumn\n{indent}zero"
    assert loaded.source == source


def test_line_numbers_of_uneven_text_are_those_of_the_text_as_sent() -> None:
    loaded = load_task("\n    def task(g):\n        '''\ntext\n'''\n        return 1 / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        loaded.task(1)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == ("<task>", 6, "return 1 / 0")


def test_tracebacks_and_inspect_show_the_lines_of_the_user() -> None:
    loaded = load_task(as_client_sends("\n\ndef task(g):\n    return g.missing\n"))
    with pytest.raises(AttributeError) as caught:
        loaded.task(1)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.lineno, last.line) == (4, "return g.missing")
    assert inspect.getsource(loaded.task).startswith("def task(g):")
    assert loaded.lines[3] == "    return g.missing"


def test_dataclasses_and_type_hints_find_their_module() -> None:
    source = """
        from __future__ import annotations
        import dataclasses, typing, pickle
        @dataclasses.dataclass
        class Point:
            x: int
            kind: typing.ClassVar[str] = "p"
        def task(g: int) -> Point:
            assert typing.get_type_hints(task)["return"] is Point
            return pickle.loads(pickle.dumps(Point(g))).x
    """
    assert call(as_client_sends(source)) == 1


def test_our_own_compiler_flags_do_not_leak_into_the_text() -> None:
    assert call("def task(g: int): return task.__annotations__['g'] is int") is True


def test_the_top_level_runs_once_and_its_errors_come_through_untouched() -> None:
    source = "raise KeyError('from the top')\ndef task(g): pass"
    compile_task(source)
    with pytest.raises(KeyError, match="from the top"):
        load_task(source)


def test_a_second_load_starts_from_an_empty_namespace() -> None:
    load_task("left = 1\ndef task(g): pass")
    assert call("def task(g): return 'left' in globals()") is False
    assert sys.modules["task_module"].__dict__["task"](1) is False


@pytest.mark.parametrize(
    ("source", "line", "column", "text"),
    [
        ("def task(g):\n  return (", 2, 10, "  return ("),
        ("    def task(g)\n        return 1", 1, 12, "def task(g)"),
        ("    def task(g):\n        '''\ntext\n'''\n        return +", 5, 17, "        return +"),
        ("    def task(g):\n        '''\ntext\n'''\n        return 1\n    return 2", 6, 5, "    return 2"),
        ("def task(g):\n    x = 1\n  y = 2", 3, None, "  y = 2"),
        ("def task(g):\n\tx = 1\n        y = 2", 3, None, "        y = 2"),
        ("def task(g):\n  return 1\0", 2, 11, "  return 1\0"),
        ("def task(g):\n  return '\udc80'", 2, 11, "  return '\ufffd'"),
        ("def task(g): return 1\nfrom __future__ import annotations", 2, 1, None),
        ("    x = '''\n'''\nelse:\n    y = 1\ndef task(g): pass", 1, 1, None),
        ("def task(g):\n  yield 1\n  break", 3, 3, "  break"),
    ],
)
def test_text_that_does_not_compile_is_refused_with_its_place(
    source: str, line: int, column: int | None, text: str | None
) -> None:
    with pytest.raises(InvalidSource) as caught:
        compile_task(source)
    fields = caught.value.fields
    assert fields["exception_type"] in ("SyntaxError", "IndentationError", "TabError")
    assert fields["line"] == line
    assert fields["column"] == (column or fields["column"])  # indentation errors: versions of Python differ
    assert text is None or fields["text"] == text
    assert f"line {line}" in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "-" * 200_000 + "1",
        "x = " + "(" * 5_000 + ")" * 5_000,
        "x = 1" + "+1" * 100_000,
        "x = a" + ".b" * 100_000,
        "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 200)),
        "    x = '''\n'''\n    x = " + "-" * 200_000 + "1",
        "x = " + "9" * 5_000,
    ],
    ids=["unary", "parentheses", "sum", "attributes", "blocks", "wrapped", "digits"],
)
def test_text_that_is_too_much_for_the_compiler_is_refused(source: str) -> None:
    with pytest.raises(InvalidSource) as caught:
        compile_task(source + "\ndef task(g): pass")
    assert len(caught.value.fields["text"]) <= 1000


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        ("", "no function named task", 1),
        ("   \n\t\n", "no function named task", 1),
        ("def other(g): return 1", "no function named task", 1),
        ("def outer():\n  def task(g): pass", "no function named task", 1),
        ("if __name__ == '__main__':\n  def task(g): pass", "no function named task", 1),
        ("task = 5", "type int, not a function", 1),
        ("\nasync def task(g): return 1", "asyncio.run", 2),
        ("\nasync def task(g): yield 1", "asyncio.run", 2),
        ("class T:\n  async def __call__(self, g): pass\ntask = T()", "asyncio.run", 1),
        ("x = 1\n\ndef task(): return 1", "exactly one argument", 3),
        ("def task(g, h): return 1", "task(g, h) cannot be called", 1),
        ("def task(*, g): return 1", "task(*, g) cannot be called", 1),
        ("def task(g, /, h: int, *, k=1): return 1", "task(g, /, h, *, k) cannot be called", 1),
        ("def task(**graphs): return 1", "task(**graphs) cannot be called", 1),
        ("task = lambda: 1", "exactly one argument", 1),
    ],
)
def test_what_cannot_be_called_with_one_graph_is_refused(source: str, said: str, line: int) -> None:
    with pytest.raises(InvalidSource) as caught:
        load_task(source)
    assert said in caught.value.message
    assert caught.value.fields["line"] == line
    assert "exception_type" not in caught.value.fields


def test_a_text_that_was_compiled_beforehand_is_the_same_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_remembered", {})
    text = as_client_sends("def task(g):\n    return g + 1")
    compiled = compile_task(text)
    remember(text)
    assert compile_task(text) is compile_task(text)
    assert compile_task(text) == compiled
    assert call(text) == 2
    assert call(text + "\n") == 2
