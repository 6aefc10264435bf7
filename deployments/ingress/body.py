"""Request bodies: read with a bound, decoded as JSON, checked against a model.

The limit of a body is the one that its route declares (``routing/declarations.py``).
"""

from contextlib import ExitStack
from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from deployments.ingress.errors import InvalidRequest, TooLarge
from deployments.ingress.json_answers import INLINE_BYTES
from deployments.ingress.middleware.transfers import end_arrival
from deployments.ingress.problems import sentence_of
from deployments.ingress.sender import current_sender
from deployments.ingress.services import services_of
from runtime.datasets.file_types import COMPRESSIONS
from runtime.json_outline import outside_of_texts

MOST_CONTAINERS: Final = 20_000
"""The most lists and objects in a body. More would hold the interpreter for seconds while they are made."""

MOST_ITEMS: Final = 50_000
"""The most items of all lists and objects in a body, for the same reason."""

MOST_KEYS: Final = 1000
"""The most keys of a body."""

MOST_LEVELS: Final = 100
"""The most levels of nested lists and objects, because later code walks bodies by recursion."""

Model = TypeVar("Model", bound=BaseModel)


def refuse_longer(request: Request, limit: int) -> None:
    """Raise ``TooLarge`` (413) before reading, if the request announces a body of more than ``limit`` bytes."""
    if (announced_bytes(request) or 0) > limit:
        raise too_large(limit)


def announced_bytes(request: Request) -> int | None:
    """Return the length of the body that the request announces, if it does."""
    length = request.headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdigit() else None


def too_large(limit: int) -> TooLarge:
    """Return the error for a body of more than ``limit`` bytes."""
    return TooLarge(f"the body is larger than the limit of {limit} bytes", limit_name="body_bytes", limit=limit)


async def read_ahead(request: Request) -> bytes:
    """Return a body that the caller knows to be small. ``read_bytes`` returns it once more."""
    request.state.body = data = await request.body()
    return data


async def read_bytes(request: Request, limit: int, held: ExitStack) -> bytes:
    """Return the body, whose bytes count until what is ``held`` is let go (``held_bodies.py``).

    Raises ``TooLarge`` as soon as it is known to be longer than ``limit`` bytes, and ``TooManyRequests``.
    """
    refuse_longer(request, limit)
    if (read := getattr(request.state, "body", None)) is not None:
        return bytes(read)
    data: bytes | bytearray = b""
    is_counted = False
    while True:
        message = await request.receive()  # ``stream`` would do the same by a generator, for every request
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        data = _joined(data, message.get("body", b""))
        if len(data) > limit:
            raise too_large(limit)
        if len(data) > INLINE_BYTES and not is_counted:
            is_counted = True
            size = announced_bytes(request) or limit
            held.enter_context(services_of(request).bodies.holding(current_sender(), size, end_arrival(request)))
        if not message.get("more_body", False):
            return bytes(data)


def _joined(data: bytes | bytearray, part: bytes) -> bytes | bytearray:
    """Return both together; most bodies have one part, which is not copied."""
    if not data:
        return part
    whole = data if isinstance(data, bytearray) else bytearray(data)
    whole += part
    return whole


async def read_checked(
    request: Request, model: type[Model], limit: int, *, is_required: bool = True, most_items: int = MOST_ITEMS
) -> tuple[dict[str, Any], Model]:
    """Return the body as the JSON object that was sent and as ``model``, whatever ``Content-Type`` says (protocol 2.2).

    An absent body is ``{}`` unless it ``is_required``. Raises ``InvalidRequest``, ``TooLarge``, ``TooManyRequests``.
    """
    with ExitStack() as held:
        data = await read_bytes(request, limit, held)
        if len(data) <= INLINE_BYTES:
            return _decoded(data, model, is_required, most_items)
        return await services_of(request).threads.bodies.call(_decoded, data, model, is_required, most_items)


async def read_model(
    request: Request, model: type[Model], limit: int, *, is_required: bool = True, most_items: int = MOST_ITEMS
) -> Model:
    """Return the JSON body as ``model``, as ``read_checked`` does."""
    return (await read_checked(request, model, limit, is_required=is_required, most_items=most_items))[1]


def checked(model: type[Model], body: dict[str, Any]) -> Model:
    """Return ``body`` as ``model``. Raises ``InvalidRequest``, which names every wrong field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidRequest(sentence_of(error, body)) from None


def json_object(data: bytes, most_items: int = MOST_ITEMS) -> dict[str, Any]:
    """Return the object that the bytes are as JSON. Raises ``InvalidRequest``."""
    count = _checked_count(data, most_items)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        packed = next((kind.words for kind in COMPRESSIONS if data.startswith(kind.magic)), None)
        if packed is not None:
            raise InvalidRequest(f"the body is {packed}; send the JSON itself, without compression") from None
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    if len(body) > MOST_KEYS:
        raise InvalidRequest(f"the body has {len(body)} keys; at most {MOST_KEYS} are allowed")
    if count > MOST_LEVELS and _is_deep(body):
        raise InvalidRequest(f"the body nests lists and objects more than {MOST_LEVELS} deep")
    return body


def _decoded(data: bytes, model: type[Model], is_required: bool, most_items: int) -> tuple[dict[str, Any], Model]:
    body = {} if not data and not is_required else json_object(data, most_items)
    return body, checked(model, body)


def _checked_count(data: bytes, most_items: int) -> int:
    """Return how many lists and objects the bytes open; brackets in texts count only if there are few of them.

    Raises ``InvalidRequest`` for too many of them, and for too many items, before any is made.
    """
    containers, items = _counts(data)
    if containers > MOST_CONTAINERS or items > most_items:
        outside = outside_of_texts(data, 2 * (most_items + MOST_CONTAINERS))  # an item has a key and a value at most
        if outside is None:
            raise _too_many_items(most_items)
        containers, items = _counts(outside)
    if containers > MOST_CONTAINERS:
        raise InvalidRequest(f"the body has {containers} lists and objects; at most {MOST_CONTAINERS} are allowed")
    if items > most_items:
        raise _too_many_items(most_items)
    return containers


def _counts(data: bytes) -> tuple[int, int]:
    """Return how many lists and objects, and how many items at least, the bytes have if they are JSON."""
    return data.count(b"[") + data.count(b"{"), data.count(b",") + 1


def _too_many_items(most: int) -> InvalidRequest:
    return InvalidRequest(f"the lists and objects of the body have too many items; at most {most} are allowed in all")


def _is_deep(body: Any) -> bool:  # Any: JSON
    level = [body]
    for _ in range(MOST_LEVELS):
        inside = [item.values() if isinstance(item, dict) else item for item in level]
        level = [item for items in inside for item in items if isinstance(item, (dict, list))]
        if not level:
            return False
    return True
