"""The argument of a handler: the services, the request, its sender and its body, which the routing has checked.

The class of the argument follows from the route's ``access``: a route that anybody may call gets no principal.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from auth.names import normal
from auth.principal import Principal
from deployments.ingress.body import MOST_ITEMS, read_model
from deployments.ingress.services import Services

SLOW_S: Final = 1.0
"""A caller whose body takes longer is checked again, as changes of rights hold everywhere within seconds."""

T = TypeVar("T")
BodyT = TypeVar("BodyT")
ModelT = TypeVar("ModelT", bound=BaseModel)


async def read_promptly(read: Awaitable[T], check_again: Callable[[], Awaitable[None]]) -> T:
    """Return a body that is read. If that took long, check the caller again first."""
    started = time.monotonic()
    body = await read
    if time.monotonic() - started > SLOW_S:
        await check_again()
    return body


@dataclass(frozen=True, slots=True)
class OpenCall(Generic[BodyT]):
    """A request to a route that does not ask who sends it.

    ``body`` is None if the routing has read no body. ``most_bytes`` is the limit of the body that the route declares.
    """

    request: Request
    services: Services
    body: BodyT
    most_bytes: int

    @property
    def path(self) -> Mapping[str, str]:
        """The parameters in the path, by name."""
        return self.request.path_params

    @property
    def username(self) -> str:
        """The user that the path names, in the form that accounts have: two forms of a name are one user."""
        return normal(self.path["username"])

    async def read(self, model: type[ModelT], *, is_required: bool = True, most_items: int = MOST_ITEMS) -> ModelT:
        """Return the JSON body, which the routing has not read, as ``model``; an absent one is ``{}`` if it may be.

        Raises ``InvalidRequest``, ``TooLarge``, ``TooManyRequests``.
        """
        return await read_model(self.request, model, self.most_bytes, is_required=is_required, most_items=most_items)


@dataclass(frozen=True, slots=True)
class OptionalCall(OpenCall[BodyT]):
    """A request to a route that anybody may call and that shows more to users. ``principal`` is None for strangers."""

    principal: Principal | None


@dataclass(frozen=True, slots=True)
class Call(OpenCall[BodyT]):
    """A request from a user, or from an administrator if the route is for administrators.

    ``actions`` are those that the route declares for the audit log. ``check_again`` raises an error if the caller
    may not call the route any more.
    """

    principal: Principal
    actions: tuple[str, ...]
    check_again: Callable[[], Awaitable[None]]

    async def read(self, model: type[ModelT], *, is_required: bool = True, most_items: int = MOST_ITEMS) -> ModelT:
        """Return the JSON body as ``OpenCall.read`` does. Raises the errors of ``check_again`` if it came slowly."""
        body = read_model(self.request, model, self.most_bytes, is_required=is_required, most_items=most_items)
        return await read_promptly(body, self.check_again)

    def note(self, action: str, target: str = "", outcome: str = "ok", **detail: Any) -> None:
        """Add what the caller did, or was refused, to the audit log. Never waits.

        Raises ``ValueError`` for an action that the route does not declare.
        """
        if action not in self.actions:
            raise ValueError(f"the route does not declare the action {action!r}")
        self.services.note(self.request, self.principal, action, target, outcome, **detail)
