"""The versions of the libraries that a task sees. Every receipt has them, because results depend on them."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

LIBRARIES: Final = ("graphside", "graphistry", "pandas", "numpy", "pyarrow", "cudf-cu13")


def library_versions() -> dict[str, str]:
    """Return the versions by name, Python's first. Libraries that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
