"""What to do instead, for errors that people meet who write their first tasks: a sentence beside the raw error."""

import linecache
import re
from collections.abc import Iterator
from itertools import islice
from types import FrameType
from typing import Any, Final

import pandas as pd

from runtime.exception_slots import entries_of
from runtime.source import FILENAME
from runtime.text import clip, legal_text

TABLES: Final = "the graph's tables are the frames g._nodes and g._edges"
NO_NODES: Final = (
    "g._nodes is None if the dataset has no table of nodes; g = g.materialize_nodes() makes one from the edges"
)
NO_FILE: Final = (
    "tasks see no files of the client: the data of the dataset is in g._nodes and g._edges; upload other files as "
    "datasets of their own, or put their content into the source"
)
UNKNOWN_NAME: Final = (
    "the source runs by itself on the server: put into it each import, function and value that the task uses"
)
NO_VARIABLES: Final = "tasks get no environment variables of the client or the server: put the values into the source"
READ_ONLY: Final = "arrays of a table's columns are read-only: change a copy, .to_numpy(copy=True)"
MISSING: Final = "a missing value of a nullable column is pd.NA: use .dropna(), .fillna(...) or .isna() before"
MOST_FRAMES: Final = 200
"""The most frames of a traceback that are looked at for advice."""

REMOVED: Final = {
    "append": "pandas has no append any more: use pd.concat([a, b])",
    "iteritems": "pandas has no iteritems any more: use .items()",
    "applymap": "pandas has no applymap any more: use .map(...)",
    "ix": "pandas has no ix any more: use .loc or .iloc",
}

_NAMES: Final = 20
_BY_COLUMN: Final = frozenset(
    {"__getitem__", "__getattr__", "__delitem__", "pop", "groupby", "sort_values", "set_index"}
)
_NO_LIBRARY: Final = (
    re.compile(r"No UMAP engine available.*'No module named '(?P<name>umap)''"),
    re.compile(r"requires the optional '(?P<name>[\w-]+)' dependency"),
    re.compile(r"(?:Missing optional dependency '|`?Import )(?P<name>[\w-]+)[`']"),
    re.compile(r"(?P<name>matplotlib) is required for plotting"),
    re.compile(r'^Engine expected to be "auto" with cuml/(?P<name>sklearn) installed'),
)
_PACKAGES: Final = {"umap": "umap-learn", "sklearn": "scikit-learn"}
_ATTRIBUTE: Final = re.compile(r"^'(\w+)' object has no attribute '(\w+)'$")
_A_PLOTTER: Final = re.compile(
    r"'Plotter' object (is not (subscriptable|iterable)|has no attribute '(nodes|edges)_?(df|frame|table)?')|"
    r"object of type 'Plotter' has no len\(\)|\.(nodes|edges)\(\) missing 1 required positional argument"
)
_A_METHOD: Final = re.compile(
    r"^'(function|method)' object (has no attribute|is not subscriptable|is not iterable)|"
    r"^object of type '(function|method)' has no len\(\)"
)
_NODES: Final = re.compile("_nodes")
_METHODS: Final = re.compile(r"\.(nodes|edges)\b")


def no_library(name: str) -> str:
    """Return the advice for a library that is not installed."""
    return f"this server has no library {_PACKAGES.get(name, name)}; its operator can install it"


def advice_on_mistake(exc: BaseException) -> str | None:
    """Return a sentence that says what to do instead; None for an error that says enough. It may raise."""
    kind = type(exc)
    if issubclass(kind, FileNotFoundError):
        return NO_FILE
    message = legal_text(str(exc)[:1000])
    if issubclass(kind, KeyError):
        return NO_VARIABLES if _is_of_environment(exc) else _columns(exc)
    if issubclass(kind, (ImportError, ValueError)):
        found = next(filter(None, (pattern.search(message) for pattern in _NO_LIBRARY)), None)
        if found is not None:
            return no_library(found["name"])
    if issubclass(kind, NameError) and not issubclass(kind, UnboundLocalError):
        return UNKNOWN_NAME if _is_raised_by_source(exc) else None
    if issubclass(kind, (AttributeError, TypeError)):
        return _on_type(exc, message)
    return READ_ONLY if message == "assignment destination is read-only" else None


def _on_type(exc: BaseException, message: str) -> str | None:
    if "'NoneType'" in message:
        return NO_NODES if _mentions(_NODES) else None
    if "'NAType'" in message or message == "boolean value of NA is ambiguous":
        return MISSING
    if _A_PLOTTER.search(message) or (_A_METHOD.search(message) and _mentions(_METHODS)):
        return TABLES
    found = _ATTRIBUTE.match(message)
    if found is not None and found[1] in ("DataFrame", "Series"):
        return REMOVED.get(found[2]) or (_columns(exc) if found[1] == "DataFrame" else None)
    return None


def _columns(exc: BaseException) -> str | None:
    """Return which columns the frame has that was asked for a column."""
    for frame in _frames(exc):
        asked: Any = frame.f_locals.get("self") if frame.f_code.co_name in _BY_COLUMN else None
        if type(asked) is pd.DataFrame and "/pandas/core/" in frame.f_code.co_filename:
            names = [clip(repr(name), 60) for name in islice(asked.columns, _NAMES)]
            more = f" and {asked.shape[1] - _NAMES} more" if asked.shape[1] > _NAMES else ""
            return legal_text(f"the columns of this table are {', '.join(names)}{more}") if names else None
    return None


def _is_of_environment(exc: BaseException) -> bool:
    return any(frame.f_code.co_filename in ("<frozen os>", "os.py") for frame in _frames(exc))


def _is_raised_by_source(exc: BaseException) -> bool:
    """Return True if the user's own source raised the error, not a library that it calls."""
    *_, last = [None, *_frames(exc)]
    return last is not None and last.f_code.co_filename == FILENAME


def _mentions(pattern: re.Pattern[str]) -> bool:
    """Return True if a line of the source has a match."""
    return any(map(pattern.search, linecache.getlines(FILENAME)))


def _frames(exc: BaseException) -> Iterator[FrameType]:
    return (entry.tb_frame for entry in islice(entries_of(exc), MOST_FRAMES))
