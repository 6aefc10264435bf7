"""The result of a task, in each media type that a request may ask for (``docs/results.md``)."""

from collections.abc import Mapping
from typing import Final

from deployments.ingress.routing.declarations import BYTES, TEXT, Answer
from runtime.results.kinds import RESULT_KINDS, media_type

ANY_JSON: Final = {"description": "What the task returned: any JSON value."}


def _schema(kind: str) -> Mapping[str, object]:
    if kind == "application/json":
        return ANY_JSON
    return TEXT if kind.startswith("text/") else BYTES


RESULT: Final = Answer(
    "What the task returned. The media type follows from `output_type` and `format`, and from whether the result is a "
    "string.",
    {media_type(kind): _schema(media_type(kind)) for kind in RESULT_KINDS},
    headers=("X-Run-Id", "Server-Timing", "X-Result-Note", "X-Engine"),
)
