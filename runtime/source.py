"""Turns source text from a client into a function that takes a graph (protocol 4.3)."""

import ast
import inspect
import linecache
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from runtime.errors import InvalidSource
from runtime.text import TASK_MODULE, clip, legal_text, type_name

FILENAME: Final = "<task>"

_BLANK: Final = " \t\f"
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_WHAT_IS_NEEDED: Final = "define `def task(g): ...` at the top level"

# Any: a user's function takes and returns what it likes.
Task = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class CompiledTask:
    """Source text that compiles. Line n of the text as sent is ``lines[n - 1]``."""

    code: CodeType
    source: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task that can be called with one graph, and the text that defined it."""

    task: Task
    source: str
    lines: tuple[str, ...]


_remembered: dict[str, CompiledTask] = {}


def remember(source: str) -> None:
    """Compile source text now, for a process that will probably be asked to run it. Raises as ``compile_task``."""
    _remembered[source] = compile_task(source)


def load_task(source: str) -> LoadedTask:
    """Compile ``source`` and run its top level. Raises as ``compile_task`` and ``define_task``."""
    return define_task(compile_task(source))


def compile_task(source: str) -> CompiledTask:
    """Compile source text without running any of it.

    Raises:
        InvalidSource: it does not compile; ``line`` and ``column`` (1-based) count in the text without its common
            indentation.
    """
    if (known := _remembered.get(source)) is not None:
        return known
    lines = _without_common_indent(_lines(source))
    text = "\n".join(lines)
    unsendable = _UNSENDABLE.search(text)
    if unsendable is not None:
        line = text.count("\n", 0, unsendable.start()) + 1
        column = unsendable.start() - text.rfind("\n", 0, unsendable.start())
        what = "a NUL character" if unsendable.group() == "\0" else "an unpaired surrogate"
        raise _does_not_compile(f"{what} in the text", lines, line, column)
    code = _compile(text, lines)
    return CompiledTask(code=code, source=text, lines=tuple(lines))


def define_task(compiled: CompiledTask) -> LoadedTask:
    """Run the top level in the namespace of the module ``task_module`` and return its ``task``.

    The module is registered in ``sys.modules``, because dataclasses, typing and pickle look up classes there. The text
    is registered in ``linecache``, so that tracebacks and ``inspect.getsource`` show the user's lines.

    Raises:
        InvalidSource: the text defines no ``task``, or one that cannot be called with exactly one argument.
        BaseException: anything that the top level raises, unchanged; its traceback begins with frames of this file.
    """
    lines = [line + "\n" for line in compiled.lines]
    linecache.cache[FILENAME] = (len(compiled.source), None, lines, FILENAME)
    module = ModuleType(TASK_MODULE)
    sys.modules[TASK_MODULE] = module
    exec(compiled.code, module.__dict__)  # noqa: S102  # what this product is for
    task = _checked(module.__dict__.get("task"), compiled)
    return LoadedTask(task=task, source=compiled.source, lines=compiled.lines)


def _lines(source: str) -> list[str]:
    """Split the text into lines where Python's tokenizer does (not at U+2028, not at a form feed)."""
    text = source.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _without_common_indent(lines: list[str]) -> list[str]:
    """Remove the leading blanks that all lines with text share; nothing else in a line changes.

    Clients indent every line that they send, also inside triple-quoted strings, so exactly this indentation has to be
    removed. ``textwrap.dedent`` would also empty the blank lines inside strings.
    """
    indents = [line[: len(line) - len(line.lstrip(_BLANK))] for line in lines if line.strip(_BLANK)]
    if not indents:
        return lines
    first = min(indents)
    # A prefix that the first and the last in sorted order share is shared by all.
    prefix = first[: _shared(first, max(indents))]
    return [line[_shared(line, prefix) :] for line in lines]


def _shared(text: str, prefix: str) -> int:
    """Return how many characters of ``prefix`` the text begins with."""
    if text.startswith(prefix):
        return len(prefix)
    return next(position for position in range(len(prefix)) if text[position : position + 1] != prefix[position])


def _compile(text: str, lines: list[str]) -> CodeType:
    """Compile the text, also if its first statement is still indented.

    That happens if a string or a comment begins further left than the code around it. Re-indenting the text would
    change the string, so it is parsed inside an ``if`` block, which is then removed from the tree.
    """
    added = 0
    try:
        if not _starts_indented(lines):
            return compile(text, FILENAME, "exec", dont_inherit=True)
        added = 1
        tree = ast.parse("if True:\n" + text, FILENAME)
        added = 0
        block = tree.body[0]
        if not isinstance(block, ast.If) or block.orelse:
            raise _does_not_compile("an else without an if", lines, 1, 1)
        tree.body[0:1] = block.body
        ast.increment_lineno(tree, -1)
        return compile(tree, FILENAME, "exec", dont_inherit=True)
    except SyntaxError as exc:
        line = (exc.lineno or 1) - added
        raise _does_not_compile(exc.msg, lines, line, exc.offset or 1, type(exc).__name__) from None
    except (RecursionError, MemoryError):
        raise _does_not_compile("it is nested too deeply", lines, 1, 1) from None
    except ValueError as exc:
        raise _does_not_compile(str(exc), lines, 1, 1) from None


def _starts_indented(lines: list[str]) -> bool:
    """Return whether the first line that is neither blank nor a comment begins with a blank."""
    for line in lines:
        text = line.strip(_BLANK)
        if text and not text.startswith("#"):
            return line[0] in " \t"
    return False


def _does_not_compile(
    reason: str, lines: list[str], line: int, column: int, exception_type: str = "SyntaxError"
) -> InvalidSource:
    line = min(max(line, 1), len(lines))
    return InvalidSource(
        f"the source does not compile: {legal_text(reason)} (line {line})",
        exception_type=exception_type,
        line=line,
        column=max(column, 1),
        text=legal_text(lines[line - 1])[:1000],
    )


def _checked(task: object, compiled: CompiledTask) -> Task:
    """Return ``task`` if it can be called with one graph; else raise ``InvalidSource``."""
    if task is None:
        raise InvalidSource(f"the source defines no function named task: {_WHAT_IS_NEEDED}", line=1, column=1)
    if not callable(task):
        raise _not_a_task(f"task is of type {type_name(type(task))}, not a function: {_WHAT_IS_NEEDED}", task, compiled)
    if _plainly_takes_one(task):
        return task
    if _is_async(task):
        reason = "task is an async function: define it with plain `def`, and use `asyncio.run(...)` inside it"
        raise _not_a_task(reason, task, compiled)
    try:
        signature = inspect.signature(task)
    except (TypeError, ValueError):  # some callables written in C have no signature; the call itself will show
        return task
    try:
        signature.bind(None)
    except TypeError:
        reason = f"task{_bare(signature)} cannot be called with exactly one argument, the graph: {_WHAT_IS_NEEDED}"
        raise _not_a_task(reason, task, compiled) from None
    return task


def _bare(signature: inspect.Signature) -> str:
    """Return the parameters as they stand in the source, without annotations and defaults: ``(*, g)``."""
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    # A parameter without a default may not follow one with a default, unless nobody checks.
    return clip(str(inspect.Signature(bare, __validate_parameters__=False)), 200)


def _plainly_takes_one(task: Task) -> bool:
    """Return whether it is a function whose code alone shows that it takes one argument.

    Most tasks are. They skip the machinery of ``inspect``, which costs a fresh process 170 copied pages.
    """
    if type(task) is not FunctionType:
        return False
    code = task.__code__
    defaults = len(task.__defaults__ or ())
    return (
        not task.__dict__  # no attribute that changes the signature, such as __wrapped__
        and not code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE)
        and code.co_kwonlyargcount == 0
        and code.co_argcount - defaults <= 1 <= code.co_argcount
    )


def _is_async(task: Task) -> bool:
    return any(
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        for function in (task, type(task).__call__)
    )


def _not_a_task(reason: str, task: object, compiled: CompiledTask) -> InvalidSource:
    """Return the error, with the line where ``task`` is defined if its code has one."""
    code = getattr(task, "__code__", None)
    known = isinstance(code, CodeType) and code.co_filename == FILENAME
    line = code.co_firstlineno if known and isinstance(code, CodeType) else 1
    line = min(max(line, 1), len(compiled.lines))
    return InvalidSource(legal_text(reason), line=line, column=1, text=compiled.lines[line - 1][:1000])
