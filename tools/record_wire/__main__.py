"""``python -m tools.record_wire``."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tools.record_wire.comparing import report
from tools.record_wire.coverage import answers_seen, gaps, operations_of
from tools.record_wire.errors import RecordingFailed
from tools.record_wire.exchange import load, save
from tools.record_wire.requests.everywhere import SECTION as EVERYWHERE
from tools.record_wire.scenes import recorded


def main(arguments: list[str]) -> int:
    """Records or compares. Returns the exit status: 1 where something differs, 2 where a recording failed."""
    options = _parser().parse_args(arguments)
    try:
        if options.compare is not None:
            return _compare(*options.compare)
        return _record(options.out)
    except (RecordingFailed, OSError, ValueError) as error:
        print(f"record_wire: {error}", file=sys.stderr)
        return 2


def _record(out: Path) -> int:
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", file=sys.stderr, flush=True)

    folder = Path(tempfile.mkdtemp(prefix="record-wire-"))
    try:
        exchanges, document = recorded(folder, tell)
    except BaseException:
        tell(f"logs and data of the servers stay in {folder}")
        raise
    shutil.rmtree(folder)
    save(out, exchanges)
    documented, seen = answers_seen(document, exchanges)
    tell(f"{len(exchanges)} exchanges in {out}")
    tell(
        f"{len(operations_of(document))} operations; {seen} of their {documented} documented answers, 405 and 5xx apart"
    )
    missing = gaps(document, exchanges, EVERYWHERE)
    for line in missing:
        print(f"record_wire: {line}", file=sys.stderr)
    return 2 if missing else 0


def _compare(before: Path, after: Path) -> int:
    was, now = load(before), load(after)
    lines = report(was, now)
    print("\n".join(lines).strip() if lines else f"no differences in {len(was)} exchanges")
    return 1 if lines else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.record_wire",
        description="Record what the server in the current folder answers, or compare two recordings.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("out", nargs="?", type=Path, metavar="OUT.json", help="where to write a recording")
    what.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE.json", "AFTER.json"), help="what differs")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
