"""What a task returned, in each of the forms that it may be asked for in (``docs/results.md``)."""

from typing import Final

from deployments.ingress.routing.declarations import BYTES, TEXT, Answer

ANY_JSON: Final = {"description": "What the task returned: any JSON value."}

RESULT: Final = Answer(
    "What the task returned. Which media type follows from `output_type`, `format`, and whether it is a string.",
    {
        "application/json": ANY_JSON,
        "text/plain": TEXT,
        "text/csv": TEXT,
        "application/vnd.apache.parquet": BYTES,
        "application/zip": BYTES,
    },
    headers=("X-Run-Id", "Server-Timing", "X-Engine"),
)
