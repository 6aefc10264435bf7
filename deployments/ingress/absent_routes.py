"""Routes of the protocol that this server does not have, and what a caller can do instead."""

import re
from typing import Final

_INSTEAD: Final = (
    (
        re.compile(r"^/api/v2/(etl/)?datasets/[^/]+/gfql(/|$)"),
        "this server has no GFQL endpoint; run the query in a task instead: "
        'g.python_remote_g("def task(g): return g.gfql([...])")',
    ),
    (
        re.compile(r"^/api/v2/o/[^/]+/(functions|run)(/|$)"),
        "this server has no saved functions; send the source as a task instead: "
        "POST /api/v2/datasets/<dataset_id>/python",
    ),
)


def instead_of(path: str) -> str | None:
    """Return what to do in place of calling a path that only other servers of the protocol have; else None."""
    return next((sentence for pattern, sentence in _INSTEAD if pattern.match(path)), None)
