"""Pages of lists, bounded in items and in bytes (protocol 2.3)."""

from collections.abc import Iterable
from typing import Any, Final  # Any: JSON

import orjson
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingress.callers.call import Call
from deployments.ingress.errors import InvalidRequest
from runtime.datasets.records.paging import MAXIMUM_PAGE

MOST_OFFSET: Final = 99_999_999_999
"""The largest ``limit`` or ``offset`` of a list that is accepted; a page has at most 1,000 items anyway."""

PAGE_BYTES: Final = 4 * 1024 * 1024
"""The most bytes of the items of a page, unless a single item is longer."""


def page_of(request: Request, most: int = MAXIMUM_PAGE) -> tuple[int, int]:
    """Return ``limit`` and ``offset`` of a request for a list (protocol 2.3). Raises ``InvalidRequest``."""
    values = []
    for name, default in (("limit", "100"), ("offset", "0")):
        text = request.query_params.get(name, default)
        if not (text.isascii() and text.isdigit()):
            raise InvalidRequest(f"{name} must be a whole number, 0 or more, not {text[:40]!r}")
        if len(text) > len(str(MOST_OFFSET)):
            raise InvalidRequest(f"{name} must be at most {MOST_OFFSET}, not {text[:40]}")
        values.append(int(text))
    return min(values[0], most), values[1]


async def list_page(call: Call[None], count: int, limit: int, offset: int, results: Iterable[Any]) -> Response:
    """Return a page of a list (protocol 2.3, 3.3). It ends early where it would be too long; ``next`` goes on there.

    The page is made in a thread, in which ``results`` are iterated.
    """
    return await call.services.threads.bodies.call(_page, call.request, count, limit, offset, results)


def _page(request: Request, count: int, limit: int, offset: int, results: Iterable[Any]) -> Response:
    shown: list[bytes] = []
    size = 0
    for item in results:
        text = orjson.dumps(item, option=orjson.OPT_NON_STR_KEYS)
        if shown and size + len(text) > PAGE_BYTES:
            break
        shown.append(text)
        size += len(text)

    def link(start: int) -> str:
        return str(request.url.include_query_params(limit=limit, offset=start))

    end = offset + len(shown)
    envelope = orjson.dumps(
        {
            "count": count,
            "next": link(end) if shown and end < count else None,
            "previous": link(max(0, offset - limit)) if offset > 0 else None,
        }
    )
    return Response(envelope[:-1] + b',"results":[' + b",".join(shown) + b"]}", media_type="application/json")
