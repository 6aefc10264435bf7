"""The argument of a handler: the services, the request, its sender and its body, which the routing has checked.

The class of the argument follows from the route's ``access``: a route that anybody may call gets no principal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from auth.principal import Principal
from deployments.ingress.services import Services

BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True)
class OpenCall(Generic[BodyT]):
    """A request to a route that does not ask who sends it. ``body`` is None if the routing has read no body."""

    request: Request
    services: Services
    body: BodyT

    @property
    def path(self) -> Mapping[str, str]:
        """The parameters in the path, by name."""
        return self.request.path_params


@dataclass(frozen=True, slots=True)
class OptionalCall(OpenCall[BodyT]):
    """A request to a route that anybody may call and that shows more to users. ``principal`` is None for strangers."""

    principal: Principal | None


@dataclass(frozen=True, slots=True)
class Call(OpenCall[BodyT]):
    """A request from a user, or from an administrator if the route is for administrators."""

    principal: Principal

    def note(self, action: str, target: str = "", outcome: str = "ok", **detail: Any) -> None:
        """Add what the caller did, or was refused, to the audit log. Never waits."""
        self.services.note(self.request, self.principal, action, target, outcome, **detail)
