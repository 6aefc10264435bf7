"""Has numba read compiled code that lies beside a library, although runs cannot write there.

The template, which runs no task, may write that code when it imports a library (``task_imports``), and so may an
operator. A run reads it, and keeps what it compiles itself in memory: a cache that runs could write would be machine
code of one user for another. Without this module numba takes a directory that it cannot write for no cache at all.
"""

import contextlib
import errno
import importlib.util
import os
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from typing import Any, Final, cast

_MODULE: Final = "numba.core.caching"
_READ_ONLY: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def watch_imports() -> None:
    """Change numba when something imports it."""
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds one module, once, by asking the finders after it."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = cast(Loader, _Loader(spec.loader))
        return spec


class _Loader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        with contextlib.suppress(AttributeError):  # a numba whose inner names differ
            _read_beside_libraries(module.InTreeCacheLocator)
            _save_nothing_there(module.Cache)


def _read_beside_libraries(locator: Any) -> None:
    ensure = locator.ensure_cache_path

    def ensure_cache_path(self: Any) -> None:
        try:
            ensure(self)
        except OSError:
            if not os.path.isdir(self.get_cache_path()):
                raise

    locator.ensure_cache_path = ensure_cache_path


def _save_nothing_there(cache: Any) -> None:
    save = cache.save_overload

    def save_overload(self: Any, signature: Any, data: Any) -> None:
        try:
            save(self, signature, data)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise

    cache.save_overload = save_overload
