"""The envelope of a list that comes in pages (protocol 2.3)."""

from typing import Final, Generic, TypeVar

from pydantic import Field, JsonValue

from deployments.ingress.fields import Link, Whole
from deployments.ingress.routes.shapes.base import Shape
from runtime.datasets.records.paging import MAXIMUM_PAGE

_URI: Final[dict[str, JsonValue]] = {"format": "uri"}

Item = TypeVar("Item", bound=Shape)


class Page(Shape, Generic[Item]):
    """A page of a list."""

    count: Whole = Field(description="The number of items on all pages.", examples=[1])
    next: Link | None = Field(json_schema_extra=_URI, description="The address of the next page; null on the last.")
    previous: Link | None = Field(
        json_schema_extra=_URI, description="The address of the previous page; null on the first."
    )
    results: list[Item] = Field(max_length=MAXIMUM_PAGE)
