"""Check that the pinned wheels have every name of cuDF, RMM, CuPy and CUDA's bindings that we use: ``make gpu-names``.

Importing them needs no GPU and no driver, so this check warns before an upgrade breaks the engine. Names and calls are
read from our own sources: which modules, classes and structs are used, and with how many arguments.
"""

import argparse
import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("runtime", "bench", "tests/gpu", "tools/gpu")
ROOTS: Final = frozenset({"cudf", "cupy", "cuda", "pylibcudf", "rmm"})
ITERATED: Final = (
    "cuda.bindings.nvml.ProcessInfo.pid",
    "cuda.bindings.nvml.ProcessInfo.used_gpu_memory",
    "cuda.bindings.nvml.Memory_v2.free",
    "cuda.bindings.nvml.Memory_v2.total",
    "cuda.bindings.nvml.Memory_v2.used",
    "cudf.DataFrame.device_serialize",
    "cudf.DataFrame.to_arrow",
    "rmm.mr.LimitingResourceAdaptor.get_allocated_bytes",
    "rmm.mr.StatisticsResourceAdaptor.allocation_counts",
)
"""Types of values whose class no source names: results of calls, and what loops run over."""

_OF_THE_DRIVER: Final = re.compile(r"cu(Init|Mem|Ctx|Device|Driver|Stream|Launch)[A-Za-z0-9_]*")

MADE: Final = "()"
"""In a dotted name: an instance of what stands before it."""


@dataclass(frozen=True, slots=True)
class Use:
    """A name as a line of code uses it.

    ``arguments`` and ``keywords`` are set for a call whose arguments can be counted.
    """

    name: str
    where: str
    arguments: int | None = None
    keywords: tuple[str, ...] = ()


class _Uses(ast.NodeVisitor):
    """Follow imports, and assignments of modules, classes and instances, in one function and its enclosing scopes."""

    def __init__(self, where: str, roots: frozenset[str]) -> None:
        self._where = where
        self._roots = roots
        self._known: dict[str, str] = {}
        self.found: list[Use] = []

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            if item.name.split(".")[0] in self._roots:
                self._known[item.asname or item.name.split(".")[0]] = (
                    item.name if item.asname else item.name.split(".")[0]
                )
                self._add(item.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module is not None and node.level == 0 and node.module.split(".")[0] in self._roots:
            for item in node.names:
                self._known[item.asname or item.name] = f"{node.module}.{item.name}"
                self._add(f"{node.module}.{item.name}", node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        around = dict(self._known)
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            self._known.pop(argument.arg, None)
        self.generic_visit(node)
        attributes = {name: value for name, value in self._known.items() if name.startswith("self.")}
        self._known = {**around, **attributes}

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._assign(target, node.value)
            if not isinstance(target, ast.Name):
                self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._assign(node.target, node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self._name(node)
        if name is None:
            self.generic_visit(node)
        else:
            self._add(name, node)

    def visit_Call(self, node: ast.Call) -> None:
        self._by_text(node)
        name = self._name(node.func)
        if name is None:
            self.visit(node.func)
        else:
            starred = any(isinstance(item, ast.Starred) for item in node.args) or any(
                k.arg is None for k in node.keywords
            )
            count = None if starred else len(node.args)
            self._add(name, node, count, tuple(item.arg for item in node.keywords if item.arg is not None))
        for part in (*node.args, *(item.value for item in node.keywords)):
            self.visit(part)

    def _by_text(self, node: ast.Call) -> None:
        """Record a call like ``call("cuInit", 0)``.

        The first argument names a function of the driver; the others are passed to it.
        """
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and _OF_THE_DRIVER.fullmatch(first.value):
            count = None if any(isinstance(item, ast.Starred) for item in node.args) else len(node.args) - 1
            self._add(f"cuda.bindings.driver.{first.value}", node, count)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        spelled = ast.unparse(target)
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for part, given in zip(target.elts, value.elts, strict=True):
                self._assign(part, given)
        elif isinstance(target, ast.Name) or spelled.startswith("self."):
            name = self._name(value)
            if name is not None:
                self._known[spelled] = name
            elif isinstance(target, ast.Name):
                self._known.pop(spelled, None)

    def _name(self, node: ast.expr) -> str | None:
        """Return the dotted name of an expression if its first part is known."""
        if isinstance(node, ast.Name):
            return self._known.get(node.id)
        if isinstance(node, ast.Call):
            name = self._name(node.func)
            return None if name is None or MADE in name else name + MADE
        if isinstance(node, ast.Attribute):
            spelled = ast.unparse(node)
            if spelled in self._known:
                return self._known[spelled]
            name = self._name(node.value)
            return None if name is None else f"{name}.{node.attr}"
        return None

    def _add(self, name: str, node: ast.AST, arguments: int | None = None, keywords: tuple[str, ...] = ()) -> None:
        self.found.append(Use(name, f"{self._where}:{getattr(node, 'lineno', 0)}", arguments, keywords))


def uses(source: str, where: str, roots: frozenset[str] = ROOTS) -> list[Use]:
    """Return the uses of the libraries named in ``roots``, in the order of the source.

    The source is read twice, because attributes may be set after the methods that use them.
    """
    visitor = _Uses(where, roots)
    tree = ast.parse(source)
    visitor.visit(tree)
    visitor.found.clear()
    visitor.visit(tree)
    return visitor.found


def problems(found: Iterable[Use]) -> Iterator[str]:
    """Return one line for each problem: a missing name, or a call that does not fit the signature."""
    for use in dict.fromkeys(found):
        try:
            value, bound = resolve(use.name)
        except (ImportError, AttributeError) as error:
            yield f"{use.where}: {use.name}: {error}"
            continue
        if use.arguments is not None and value is not None and (refusal := _refusal(value, use, bound=bound)):
            yield f"{use.where}: {use.name}: {refusal}"


def resolve(name: str) -> tuple[Any, bool]:
    """Return the value, and True if it is bound to an instance; None if an instance's attributes cannot be known.

    Raises ``ImportError``, ``AttributeError``.
    """
    made, _, rest = name.partition(MADE)
    value = _imported(made)
    if MADE not in name:
        return value, False
    parts = [part for part in rest.split(".") if part]
    if not inspect.isclass(value):
        return None, False
    if value.__module__.startswith("cuda.bindings"):  # structs of the driver: made without it
        value = value()
        for part in parts:
            value = getattr(value, part)
        return value, False
    if not parts:
        return value, False
    value = getattr(value, parts[0])
    return (value, True) if len(parts) == 1 else (None, False)


def _imported(name: str) -> Any:
    """Import as much of the name as is a module, then take attributes."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            value = getattr(value, part)
        return value
    raise ModuleNotFoundError(f"there is no module {parts[0]}")


def _refusal(value: Any, use: Use, *, bound: bool) -> str | None:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # made in C, without one
        return None
    try:
        signature.bind(*[None] * ((use.arguments or 0) + bound), **dict.fromkeys(use.keywords))
    except TypeError as error:
        return f"{error}: it takes {signature}"
    return None


def main() -> int:
    """Return the exit status: 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help=f"default: all of {', '.join(FOLDERS)}")
    files = parser.parse_args().files or [
        path for name in FOLDERS for path in sorted((REPOSITORY / name).rglob("*.py"))
    ]
    found = [use for path in files for use in uses(path.read_text(encoding="utf-8"), str(path.relative_to(REPOSITORY)))]
    found += [Use(name, "named by hand") for name in ITERATED]
    wrong = list(problems(found))
    calls = sum(use.arguments is not None for use in found)
    print(json.dumps({"names": len({use.name for use in found}), "calls": calls, "problems": wrong}, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)  # run by path: modules in this folder must not hide the standard library's
    sys.exit(main())
