"""What ``make test`` does when a part failed: tests that failed are run once more, with nothing beside them.

A test that passes then has depended on how busy the machine is. It is named at the very end of the output and has to be
mended, but no change is refused for it. Nothing is tried again if many tests failed or if a part ended otherwise.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

MOST: Final = 5
"""If more tests failed, it is not for the machine."""

FAILED: Final = 1
"""Pytest's exit status if tests failed, and nothing else went wrong."""

PYTEST: Final = (sys.executable, "-m", "pytest", "-q")


def main(folder: Path, parts: list[str]) -> int:
    """Return the exit status of ``make test``. Each part has left its cache and its exit status in ``folder``."""
    statuses = {part: _status(folder / part / "status") for part in parts}
    for part, status in statuses.items():
        if status not in (0, FAILED):
            return _refuse(f"{part} did not come to its end (exit status {status})")
    failed = {part: _failed(folder / part) for part, status in statuses.items() if status == FAILED}
    names = [name for of_part in failed.values() for name in of_part]
    if not names:
        return _refuse("it is not known which tests failed")
    if len(names) > MOST:
        return _refuse(f"{len(names)} tests failed, and only {MOST} would be run once more")
    print(f"\ngraphside: these failed, and are run once more, alone:{_list(names)}", flush=True)
    for part, of_part in failed.items():
        if of_part and subprocess.run([*PYTEST, "-o", f"cache_dir={folder / part}", *of_part], check=False).returncode:
            return _refuse("they fail alone, too")
    print(f"\ngraphside: PASSED ONLY WHEN RUN ALONE, to be mended:{_list(names)}", flush=True)
    return 0


def _status(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None


def _failed(cache: Path) -> list[str]:
    path = cache / "v" / "cache" / "lastfailed"
    return list(json.loads(path.read_text())) if path.exists() else []


def _refuse(why: str) -> int:
    print(f"\ngraphside: the tests failed: {why}", file=sys.stderr)
    return 1


def _list(names: list[str]) -> str:
    return "".join(f"\n  {name}" for name in names)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
