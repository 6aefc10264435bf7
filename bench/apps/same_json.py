"""``python -m bench.apps.same_json ONE OTHER``: compare the values of two JSON documents.

This is a process of its own, because a million records take a gigabyte.
"""

import json
import sys
from pathlib import Path


def main(one: str, other: str) -> int:
    """Return 0 if the values are equal, else 1."""
    return int(json.loads(Path(one).read_bytes()) != json.loads(Path(other).read_bytes()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
