"""Registers handlers with what their routes declare, and enforces it: the caller and the body before the handler.

Routes answer with and without a trailing slash, by direct dispatch: a redirect would lose a POST's body (protocol 0.2).
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, Unpack, overload  # Any: a body of whichever model

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from deployments.ingress.body import read_model
from deployments.ingress.callers.call import Call, OpenCall, OptionalCall, read_promptly
from deployments.ingress.callers.finishing import finished
from deployments.ingress.callers.session import administrator, check_again, principal, reader
from deployments.ingress.middleware.admission import count_as_stranger, until_answered
from deployments.ingress.middleware.transfers import give_up
from deployments.ingress.routing.declarations import (
    NO_CONTENT,
    SMALL_BODY_BYTES,
    Answer,
    Body,
    BodyT,
    ModelT,
    Parameter,
    RouteAccess,
    WithoutPrincipal,
    WithPrincipal,
    json_answer,
    json_body,
)
from deployments.ingress.routing.parameters import IN_PATHS, Bounds
from deployments.ingress.sender import current_sender, sent_by
from deployments.ingress.services import services_of
from deployments.ingress.unread import SMALL_BYTES
from deployments.ingress.web.csrf import SAFE_METHODS

CallT = TypeVar("CallT", bound=OpenCall[Any])
Handler: TypeAlias = Callable[[CallT], Awaitable[Response]]
Register: TypeAlias = Callable[[Handler[CallT]], Handler[CallT]]

_IN_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, eq=False, slots=True)
class Operation:
    """A method on a path, its handler, and what it declares.

    ``errors`` are the operation's own; ``openapi/document.py`` adds what can go wrong everywhere.
    ``answers_page``: errors too are pages if ``Accept`` names ``text/html``. ``audit`` has the actions of the
    lines that it may add to the audit log; it is empty if the operation changes nothing that is kept.
    ``ends_with_caller``: a caller who leaves ends it; any other operation that changes something goes on to its line.
    ``answers_at_once``: it waits for nothing, so it needs none of the places of callers who are not logged in.
    """

    method: str
    path: str
    handler: Handler[Any]
    access: RouteAccess
    parameters: tuple[Parameter, ...]
    body: Body[Any] | None
    answers: Mapping[int, Answer]
    errors: tuple[type[Exception], ...]
    answers_page: bool
    audit: tuple[str, ...] | None
    ends_with_caller: bool
    answers_at_once: bool
    bounds: Bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as plain ASGI. Errors are answered outside, in one place for all routes."""
        response = await self.serve(Request(scope, receive, send))
        await response(scope, receive, send)

    async def serve(self, request: Request) -> Response:
        """Call the handler for a caller who may call it, with the body that it takes.

        Raises ``Unauthenticated``, ``CsrfFailed`` and ``Forbidden`` for the caller; then ``NotFound`` and
        ``InvalidRequest`` for the parameters; then ``TooLarge`` and ``InvalidRequest`` for the body.
        """
        if self.audit and not self.ends_with_caller:
            response = await finished(self._serve(request))
        else:
            response = await self._serve(request)
        if len(getattr(response, "body", b"")) > SMALL_BYTES:  # a streamed answer has none
            changes = self.method not in SAFE_METHODS and self.audit != ("run",)  # a run can be sent again
            unread = services_of(request).unread
            counted = unread.holding(current_sender(), len(response.body), give_up(request), must=changes)
            until_answered(request).enter_context(counted)
        return response

    async def _serve(self, request: Request) -> Response:
        services = services_of(request)
        limit = SMALL_BODY_BYTES if self.body is None else self.body.limit(services.settings)
        match self.access:
            case "open" | "key" | "credential":
                if not self.answers_at_once:
                    count_as_stranger(request)
                self.bounds.check(request)
                return await self.handler(OpenCall(request, services, await self._body_of(request, limit), limit))
            case "optional":
                caller = await reader(request, services)
                if caller is None:
                    count_as_stranger(request)
                else:
                    sent_by(caller.user_id)
                self.bounds.check(request)
                body = await self._body_of(request, limit)
                return await self.handler(OptionalCall(request, services, body, limit, caller))
            case "user":
                find = partial(principal, request, services)
            case "admin":
                find = partial(administrator, request, services)
        caller = await find()
        sent_by(caller.user_id)
        again = partial(check_again, find, services, caller)
        self.bounds.check(request)
        has_body = self.body is not None and self.body.model is not None
        body = await read_promptly(self._body_of(request, limit), again) if has_body else None
        return await self.handler(Call(request, services, body, limit, caller, self.audit or (), again))

    async def _body_of(self, request: Request, limit: int) -> Any:
        if self.body is None or self.body.model is None:
            return None
        return await read_model(request, self.body.model, limit)


class Declared(TypedDict, total=False):
    """The declarations of a route beside its access and its body."""

    parameters: tuple[Parameter, ...]
    answers: Mapping[int, Answer | type[BaseModel] | None]
    errors: tuple[type[Exception], ...]
    answers_page: bool
    audit: tuple[str, ...]
    ends_with_caller: bool
    answers_at_once: bool


class Routes:
    """Collects the routes of a module, whose docstring begins with what they are about.

        @routes.on(
            "POST",
            "/api/v2/admin/groups",
            access="admin",
            body=NewGroup,                               # a model: JSON; or a Body
            answers={201: GroupMade},                    # a model: JSON; None: no content; or an Answer
            errors=(GroupExists,),                       # classes to which ``ingress/errors.py`` gives a status
            audit=("group.add",),                        # what it adds to the audit log
        )
        async def add_group(call: Call[NewGroup]) -> Response:
            \"""Make a group.                                <- the summary

            What follows is the description.
            \"""

    ``access`` is ``"user"`` by default. The caller is found and the body is checked before the handler is called; a
    handler that has to check something else first takes an ``unread_body``. Parameters in paths are known by name
    (``parameters.py``), those of the query are given as ``parameters``. Errors that follow from the access, from a
    body, and from having a catalog at all are added to the document by themselves.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    @overload
    def on(
        self, methods: str, *paths: str, access: WithPrincipal = "user", body: None = None, **more: Unpack[Declared]
    ) -> Register[Call[None]]: ...
    @overload
    def on(
        self,
        methods: str,
        *paths: str,
        access: WithPrincipal = "user",
        body: type[ModelT],
        **more: Unpack[Declared],
    ) -> Register[Call[ModelT]]: ...
    @overload
    def on(
        self, methods: str, *paths: str, access: WithPrincipal = "user", body: Body[BodyT], **more: Unpack[Declared]
    ) -> Register[Call[BodyT]]: ...
    @overload
    def on(
        self,
        methods: str,
        *paths: str,
        access: WithoutPrincipal,
        body: type[ModelT],
        **more: Unpack[Declared],
    ) -> Register[OpenCall[ModelT]]: ...
    @overload
    def on(
        self, methods: str, *paths: str, access: WithoutPrincipal, body: Body[None] | None = None,
        **more: Unpack[Declared],
    ) -> Register[OpenCall[None]]: ...  # fmt: skip
    @overload
    def on(
        self, methods: str, *paths: str, access: Literal["optional"], body: None = None, **more: Unpack[Declared]
    ) -> Register[OptionalCall[None]]: ...

    def on(
        self,
        methods: str,
        *paths: str,
        access: RouteAccess = "user",
        body: Body[Any] | type[BaseModel] | None = None,
        parameters: tuple[Parameter, ...] = (),
        answers: Mapping[int, Answer | type[BaseModel] | None] | None = None,
        errors: tuple[type[Exception], ...] = (),
        answers_page: bool = False,
        audit: tuple[str, ...] | None = None,
        ends_with_caller: bool = False,
        answers_at_once: bool = False,
    ) -> Register[Any]:
        """Serve ``methods`` (space-separated) of every path, in both slash forms.

        Raises ``ValueError`` for a parameter in a path that ``parameters.py`` does not describe.
        """
        described = {status: _answer(answer) for status, answer in (answers or {}).items()}

        def register(handler: Handler[Any]) -> Handler[Any]:
            for path in paths:
                taken = (*_parameters_in(path), *parameters)
                for method in methods.split():
                    operation = Operation(
                        method=method,
                        path=path,
                        handler=handler,
                        access=access,
                        parameters=taken,
                        body=json_body(body) if isinstance(body, type) else body,
                        answers=described,
                        errors=errors,
                        answers_page=answers_page,
                        audit=audit,
                        ends_with_caller=ends_with_caller,
                        bounds=Bounds.of(taken),
                        answers_at_once=answers_at_once,
                    )
                    self.operations.append(operation)
            return handler

        return register

    @property
    def routes(self) -> list[Route]:
        """Return a route for each operation and slash form."""
        return [
            Route(form, operation, methods=[operation.method])
            for operation in self.operations
            for form in dict.fromkeys((operation.path, operation.path.rstrip("/") + "/"))
        ]


def _parameters_in(path: str) -> Iterator[Parameter]:
    for name in _IN_PATH.findall(path):
        if name not in IN_PATHS:
            raise ValueError(f"{name} of {path} is not described in deployments/ingress/routing/parameters.py")
        yield IN_PATHS[name]


def _answer(answer: Answer | type[BaseModel] | None) -> Answer:
    if answer is None:
        return NO_CONTENT
    return answer if isinstance(answer, Answer) else json_answer(answer)
