"""Request bodies: read with a bound, decoded as JSON, checked against a model."""

from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from deployments.ingress.errors import InvalidRequest, TooLarge

JSON_BODY_BYTES: Final = 16 * 1024 * 1024
"""The default limit of a JSON body. Datasets with long encodings need this much."""

MOST_LEVELS: Final = 100
"""The most levels of nested lists and objects, because later code walks bodies by recursion."""

Model = TypeVar("Model", bound=BaseModel)


def refuse_longer(request: Request, limit: int) -> None:
    """Raise ``TooLarge`` (413) before reading, if the request announces a body of more than ``limit`` bytes."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)


def too_large(limit: int) -> TooLarge:
    """Return the error for a body of more than ``limit`` bytes."""
    return TooLarge(f"the body is larger than the limit of {limit} bytes", limit_name="body_bytes", limit=limit)


async def read_json(request: Request, limit: int = JSON_BODY_BYTES, *, empty: Any = None) -> dict[str, Any]:
    """Return the body as a JSON object, whatever ``Content-Type`` says (protocol 2.2); ``empty`` if there is no body.

    Raises ``InvalidRequest``, ``TooLarge``.
    """
    refuse_longer(request, limit)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise too_large(limit)
    if not data and empty is not None:
        return dict(empty)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    if data.count(b"[") + data.count(b"{") > MOST_LEVELS and _is_deep(body):
        raise InvalidRequest(f"the body nests lists and objects more than {MOST_LEVELS} deep")
    return body


def _is_deep(body: Any) -> bool:  # Any: JSON
    level = [body]
    for _ in range(MOST_LEVELS):
        inside = [item.values() if isinstance(item, dict) else item for item in level]
        level = [item for items in inside for item in items if isinstance(item, (dict, list))]
        if not level:
            return False
    return True


def checked(model: type[Model], body: dict[str, Any]) -> Model:
    """Return ``body`` as ``model``. Raises ``InvalidRequest``, which names every wrong field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()]
        raise InvalidRequest("; ".join(problems)) from None


async def read_model(
    request: Request, model: type[Model], limit: int = JSON_BODY_BYTES, *, is_required: bool = True
) -> Model:
    """Return the JSON body as ``model``; an absent one is ``{}`` unless it ``is_required``.

    Raises ``InvalidRequest``, ``TooLarge``.
    """
    return checked(model, await read_json(request, limit, empty=None if is_required else {}))


def page_of(request: Request, most: int = 1000) -> tuple[int, int]:
    """Return ``limit`` and ``offset`` of a request for a list (protocol 2.3). Raises ``InvalidRequest``."""
    values = []
    for name, default in (("limit", "100"), ("offset", "0")):
        text = request.query_params.get(name, default)
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise InvalidRequest(f"{name} must be a whole number, not {text[:40]!r}")
        values.append(int(text))
    return min(values[0], most), values[1]


def page_body(request: Request, count: int, limit: int, offset: int, results: list[Any]) -> dict[str, Any]:
    """Return the envelope of a list (protocol 2.3, 3.3)."""

    def link(start: int) -> str:
        return str(request.url.include_query_params(limit=limit, offset=start))

    following = link(offset + limit) if offset + limit < count and limit > 0 else None
    previous = link(max(0, offset - limit)) if offset > 0 else None
    return {"count": count, "next": following, "previous": previous, "results": results}
