"""Unpack what was carried to a machine without network: ``python3 tools/gpu/bundle/unpack.py``.

The archives in ``.gpu1`` and ``.gpu2`` go to ``.gpusite`` in the repository. A file among the Python's packages puts
that folder and the repository before everything else. ``PYTHONPATH`` would not do, because templates start without it.
``--remove`` undoes both. Standard library only.
"""

import argparse
import os
import shutil
import site
import sys
import tarfile
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[3]
SITE: Final = REPOSITORY / ".gpusite" / "site-packages"
"""The walls let processes read folders of this name."""

ARCHIVES: Final = (REPOSITORY / ".gpu1" / "cudf.txz", REPOSITORY / ".gpu2" / "ray.txz")
LINE: Final = "graphside-gpu.pth"


def unpack(archives: list[Path], into: Path) -> None:
    """Unpack the archives, one over the other."""
    for archive in archives:
        with tarfile.open(archive) as content:
            if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on
                content.extractall(into, filter="data")
            else:
                content.extractall(into)  # the archives are ours


def line(first: list[Path]) -> str:
    """Return a line for a ``.pth`` file, which Python runs at start. Folders that stand first are searched first."""
    return f"import sys; sys.path[:0] = {[str(path) for path in first]!r}\n"


def packages() -> Path:
    """Return a folder where this Python looks for such files and this user may write. Raises ``SystemExit``."""
    for folder in map(Path, site.getsitepackages()):
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    raise SystemExit("no folder of packages of this Python can be written to; make a venv and use its python")


def main() -> int:
    """Return the exit status: 1 if there is nothing to unpack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remove", action="store_true")
    pointer = packages() / LINE
    if parser.parse_args().remove:
        pointer.unlink(missing_ok=True)
        shutil.rmtree(SITE.parent, ignore_errors=True)
        return 0
    found = [archive for archive in ARCHIVES if archive.is_file()]
    if not found:
        print(
            f"neither of {', '.join(str(path.relative_to(REPOSITORY)) for path in ARCHIVES)} is here", file=sys.stderr
        )
        return 1
    unpack(found, SITE)
    pointer.write_text(line([SITE, REPOSITORY]))
    print(f"unpacked {', '.join(path.name for path in found)}; {pointer} points there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
