"""Errors that come from a task's walls say what to do instead."""

import errno
import socket
from typing import Any

import pytest

from runtime.advice import CLIENT, FILES, INPUT, NETWORK, PANDAS, PROCESSES, THREADS, advice_for, clear_sentence


def caught(source: str) -> BaseException:
    """What the code raises, as a task would raise it."""
    space: dict[str, Any] = {}
    try:
        exec(compile(source, "<elsewhere>", "exec"), space)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def of_library(path: str, error: str = "PermissionError(1, 'no')") -> BaseException:
    """An error that a function in a file of this name raises."""
    try:
        exec(compile(f"raise {error}", path, "exec"), {})
    except BaseException as raised:
        return raised
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (socket.gaierror(-3, "name resolution"), NETWORK),
        (of_library("/usr/lib/python3.11/socket.py"), NETWORK),
        (of_library("/usr/lib/python3.11/asyncio/base_events.py"), NETWORK),
        (of_library("/usr/lib/python3.11/subprocess.py"), PROCESSES),
        (of_library("/usr/lib/python3.11/multiprocessing/synchronize.py", "PermissionError(13, 'no')"), PROCESSES),
        (of_library("/usr/lib/python3.11/concurrent/futures/process.py"), PROCESSES),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/passwd"), FILES),
        (Exception("Must call login() first"), CLIENT),
        (EOFError("EOF when reading a line"), INPUT),
        (ModuleNotFoundError("No module named 'igraph'", name="igraph.drawing"), "igraph; its operator can install"),
        (ModuleNotFoundError("No module named 'sklearn'", name="sklearn.cluster"), "scikit-learn; its operator"),
        (ModuleNotFoundError("No module named 'cudf'", name="cudf"), "cudf needs a GPU, and this run has none"),
        (ModuleNotFoundError("No module named 'cugraph'", name="cugraph"), PANDAS),
        (RuntimeError("can't start new thread"), THREADS),
    ],
    ids=str,
)
def test_an_error_of_the_walls_says_what_to_do(error: BaseException, advice: str) -> None:
    said = advice_for(error)
    assert said is not None
    assert advice in said


def test_the_cause_of_an_error_counts() -> None:
    assert advice_for(
        caught("import socket\ntry:\n raise socket.gaierror\nexcept OSError as e:\n raise RuntimeError from e")
    )
    assert advice_for(caught("import urllib.error\nraise urllib.error.URLError('x')")) == NETWORK
    assert advice_for(caught("import requests\nraise requests.exceptions.ConnectionError('x')")) == NETWORK


@pytest.mark.parametrize(
    "error",
    [
        KeyError("nope"),
        PermissionError(errno.EPERM, "no", "relative"),
        FileExistsError(errno.EEXIST, "no", "x"),
        EOFError("Ran out of input"),
        Exception("other"),
        ImportError("cannot import name 'x'"),
    ],
    ids=str,
)
def test_other_errors_get_no_advice(error: BaseException) -> None:
    assert advice_for(error) is None


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("import of deployments halted; None in sys.modules", "deployments belongs to the server"),
        ("import of ray.serve halted; None in sys.modules", "ray belongs to the server"),
        ("No module named 'runtime.errors'; 'runtime' is not a package", "runtime belongs to the server"),
        ("import of cudf halted; None in sys.modules", "cudf needs a GPU, and this run has none"),
        ("import of other halted; None in sys.modules", None),
        ("No module named 'x'", None),
    ],
)
def test_a_module_that_is_kept_out_is_named_in_a_clear_sentence(message: str, says: str | None) -> None:
    said = clear_sentence(ModuleNotFoundError(message, name="x"))
    assert (said or "")[: len(says or "")] == (says or "")
    assert (said is None) == (says is None)


def test_a_hostile_exception_gets_no_advice() -> None:
    class Hostile(OSError):
        @property
        def errno(self) -> int:  # type: ignore[override]
            raise SystemExit

    assert advice_for(Hostile()) is None

    class HostileImport(ModuleNotFoundError):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    assert advice_for(HostileImport()) is None
    assert clear_sentence(HostileImport()) is None
