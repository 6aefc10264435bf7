"""Walks the models of all routes: which fields they have, whether each has a bound, and values at a bound."""

from __future__ import annotations

import datetime
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from deployments.ingress.app import MODULES
from deployments.ingress.fields import CutAt, MostBySetting, MostJson
from deployments.ingress.routing.routes import Operation
from deployments.settings import Settings

SETTINGS = Settings()


@dataclass(frozen=True, slots=True)
class Place:
    """A field of a model, or something in it: how to reach it, its type and what is said of it."""

    path: tuple[str, ...]
    kind: Any
    said: tuple[Any, ...]

    def __str__(self) -> str:
        return ".".join(self.path)

    def bound(self, kind: type[Any]) -> Any:
        return next((item for item in self.said if isinstance(item, kind)), None)


def operations() -> list[Operation]:
    return [operation for module in MODULES for operation in module.routes.operations]


def request_models() -> dict[type[BaseModel], Operation]:
    """Return each model of a request, and an operation that takes it."""
    found: dict[type[BaseModel], Operation] = {}
    for operation in operations():
        for shape in operation.body.contents.values() if operation.body is not None else ():
            if not isinstance(shape, Mapping):
                found.setdefault(shape if isinstance(shape, type) else shape(SETTINGS), operation)
    return found


def answer_models() -> dict[type[BaseModel], Operation]:
    """Return each model of an answer, and an operation that gives it."""
    return {
        shape: operation
        for operation in operations()
        for answer in operation.answers.values()
        for shape in answer.contents.values()
        if isinstance(shape, type)
    }


def places(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Place]:
    """Yield every place of a model where a value stands, also those inside of lists, objects and other models."""
    here = path or (model.__name__,)
    for name, field in model.model_fields.items():
        yield from _inside(Place((*here, name), field.annotation, tuple(field.metadata)))


def _inside(place: Place) -> Iterator[Place]:
    kind, said = _bare(place.kind, place.said)
    place = Place(place.path, kind, said)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        for each in get_args(kind):
            yield from _inside(Place(place.path, each, said))
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from places(kind, place.path)
    else:
        yield place
        if place.bound(MostJson) is None:
            for each in get_args(kind) if origin in (list, dict, Sequence, Mapping, tuple) else ():
                yield from _inside(Place((*place.path, "*"), each, ()))


def _bare(kind: Any, said: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    while get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        said = (*said, *(item for each in more for item in (each.metadata if isinstance(each, FieldInfo) else [each])))
    return kind, said


def problem(place: Place) -> str | None:
    """Return what bound the place lacks, if it does."""
    kind, origin = place.kind, get_origin(place.kind)
    if kind in (None, type(None), bool, AwareDatetime, datetime.datetime) or origin is Literal:
        return None
    if kind in (int, float):
        has_both = _has(place, Ge, Gt) and _has(place, Le, Lt)
        return None if has_both else "a number needs a least and a most value"
    if kind is Any:
        return None if place.bound(MostJson) else "a value of any shape needs a bound of its bytes"
    setting = place.bound(MostBySetting)
    if setting is not None:
        return None if setting.setting in Settings.model_fields else f"there is no setting {setting.setting}"
    if kind is str and place.bound(CutAt) is not None:
        return None
    if kind is str or origin in (list, dict, Sequence, Mapping):
        bounded = place.bound(MaxLen) is not None or (kind is not str and place.bound(MostJson) is not None)
        return None if bounded else "a text, a list or an object needs a most length"
    return f"a type that this walk does not know: {kind}"


def _has(place: Place, *kinds: type[Any]) -> bool:
    return any(place.bound(kind) is not None for kind in kinds)


def at_the_bound(place: Place) -> tuple[Callable[[int], Any], int] | None:
    """Return a maker of values by size and the largest size that the place accepts, if it has such a bound."""
    length, most = place.bound(MaxLen), place.bound(Le)
    if place.kind is str and length is not None:
        return lambda size: "a" * size, length.max_length
    if place.kind in (int, float) and most is not None:
        return lambda size: size, int(most.le)
    if get_origin(place.kind) in (dict, Mapping) and place.bound(MostJson) is not None:
        return lambda size: {"k": "v" * (size - len('{"k":""}'))}, place.bound(MostJson).byte_count
    if get_origin(place.kind) is list and length is not None:
        return lambda size: ["0" * 32] * size, length.max_length
    return None
