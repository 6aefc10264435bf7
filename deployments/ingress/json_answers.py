"""Answers of JSON. What may be long is made in a thread, so that the event loop serves others meanwhile."""

from collections.abc import Callable
from typing import Any, Final  # Any: JSON

import orjson
from starlette.responses import Response

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.services import Services
from runtime.errors import Overloaded

INLINE_BYTES: Final = 64 * 1024
"""JSON that is longer is read and written in a thread."""


class JsonAnswer(Response):
    """An answer of JSON that is short."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


async def json_answer_of(services: Services, content: Callable[[], Any], *, about_bytes: int | None = None) -> Response:
    """Return the answer with what the function returns, which is called in a thread unless that is short.

    ``about_bytes``: how long the JSON will be; None if that is not known. Raises as ``Pool.call``.
    """
    if about_bytes is not None and about_bytes <= INLINE_BYTES:
        return JsonAnswer(content())
    return await services.threads.bodies.call(lambda: JsonAnswer(content()))


async def json_after_change(services: Services, content: Callable[[], Any], about_bytes: int) -> Response:
    """Return the answer as ``json_answer_of``, also if no thread is free: a refusal would deny what was changed."""
    try:
        return await json_answer_of(services, content, about_bytes=about_bytes)
    except (TooManyRequests, Overloaded):
        return JsonAnswer(content())
