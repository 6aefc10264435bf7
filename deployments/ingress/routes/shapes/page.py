"""The envelope of a list that comes in pages (protocol 2.3)."""

from typing import Generic, TypeVar

from pydantic import Field

from deployments.ingress.routes.shapes.base import Shape

Item = TypeVar("Item", bound=Shape)


class Page(Shape, Generic[Item]):
    """A page of a list."""

    count: int = Field(ge=0, description="How many there are on all pages.", examples=[1])
    next: str | None = Field(json_schema_extra={"format": "uri"}, description="The next page; null on the last one.")
    previous: str | None = Field(json_schema_extra={"format": "uri"}, description="The page before.")
    results: list[Item]
