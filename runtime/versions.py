"""Which libraries a task sees: part of every receipt, since results depend on them."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

LIBRARIES: Final = ("graphside", "graphistry", "pandas", "numpy", "pyarrow", "cudf-cu13")


def library_versions() -> dict[str, str]:
    """Versions by name, Python's first; libraries that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
