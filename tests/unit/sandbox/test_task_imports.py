"""Modules that an operator has imported once, before runs are forked."""

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from runtime.sandbox.guest import confine, numba_cache
from runtime.sandbox.guest.task_imports import ImportRefused, import_all
from runtime.sandbox.host.template import TemplateProcess
from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.sandbox.forked import in_a_child, refused


def test_runs_find_them_imported_and_one_that_fails_is_told_and_left_out(
    make_rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(template_type=partial(TemplateProcess, imports=("colorsys", "no_such_module", "chunk.no")))
    source = rig.dataset()
    code = """
import os, sys, tempfile
def task(g):
    return ['colorsys' in sys.modules, tempfile.gettempdir() == os.getcwd()]
"""
    assert answer(rig.run(source, code)) == [True, True]
    told = [record.getMessage() for record in caplog.records if "import_refused" in record.getMessage()]
    assert [line.split()[1] for line in told] == ["module=no_such_module", "module=chunk.no"]
    assert "No module named 'no_such_module'" in told[0]
    rig.close()


def test_a_module_that_starts_a_thread_or_ends_the_process_is_refused(tmp_path: Path) -> None:
    (tmp_path / "starts_a_thread.py").write_text("import threading; threading.Timer(60, print).start()")
    (tmp_path / "ends.py").write_text("raise SystemExit(3)")
    (tmp_path / "writes_home.py").write_text("open(__import__('os').path.expanduser('~/cache'), 'w').write('x')")

    def act() -> list[object]:
        sys.path.insert(0, str(tmp_path))
        threads = confine.Threads()
        import_all(["writes_home"], threads)
        told: list[object] = [os.environ["HOME"], tempfile.tempdir]
        for name in ("ends", "starts_a_thread"):
            try:
                import_all([name], threads)
            except ImportRefused as error:
                told.append([error.name, error.reason])
        return told

    home, tempdir, ends, thread = in_a_child(act)
    assert home == os.environ["HOME"]
    assert tempdir is None
    assert ends == ["ends", "SystemExit: 3"]
    assert thread[0] == "starts_a_thread"
    assert "thread" in thread[1]


_CACHING = """
import os
class InTreeCacheLocator:
    def __init__(self, path): self.path = path
    def get_cache_path(self): return self.path
    def ensure_cache_path(self): open(os.path.join(self.path, 'tried'), 'w').close()
class Cache:
    def __init__(self, error): self.error = error
    def save_overload(self, signature, data): raise self.error
"""


def test_numba_reads_code_beside_a_library_that_it_cannot_write(tmp_path: Path) -> None:
    package = tmp_path / "numba" / "core"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "caching.py").write_text(_CACHING)

    def act() -> list[object]:
        sys.path.insert(0, str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == "numba"]:
            del sys.modules[name]
        numba_cache.watch_imports()
        from numba.core import caching  # type: ignore[import-not-found]

        return [
            refused(caching.InTreeCacheLocator("/proc/self").ensure_cache_path),
            refused(caching.InTreeCacheLocator("/no/such/directory").ensure_cache_path),
            refused(lambda: caching.Cache(PermissionError(13, "x")).save_overload(1, 2)),
            refused(lambda: caching.Cache(OSError(28, "full")).save_overload(1, 2)),
        ]

    assert in_a_child(act) == [0, 2, 0, 28]
