"""Personal keys."""

from typing import Literal

from pydantic import Field

from auth.listing import MOST_LISTED
from deployments.ingress.fields import Title, Token
from deployments.ingress.routes.shapes.base import HexId, Shape, Time


class KeyShown(Shape):
    """A personal key, without its secret."""

    id: HexId = Field(examples=["7f1c2d3e4b5a69788796a5b4c3d2e1f0"])
    name: Title = Field(max_length=200, examples=["notebook"])
    created_at: Time
    last_used_at: Time | None
    revoked_at: Time | None = Field(description="Null while the key is valid.")


class KeyMade(KeyShown):
    """The new key with its secret, which is shown only once."""

    success: Literal[True]
    secret: Token = Field(examples=["x1Yk0d8m5Qw…"])


class KeyList(Shape):
    """Your own keys, newest first."""

    success: Literal[True]
    results: list[KeyShown] = Field(max_length=MOST_LISTED)
