"""``python -m bench.apps.same_json ONE OTHER``: whether two documents hold equal values.

In a process of its own, since a million records take a gigabyte.
"""

import json
import sys
from pathlib import Path


def main(one: str, other: str) -> int:
    """0 where they are equal."""
    return int(json.loads(Path(one).read_bytes()) != json.loads(Path(other).read_bytes()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
