"""Routes with and without a trailing slash, by direct dispatch (protocol 0.2): a redirect would lose a POST's body."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.ingress.routing.declarations import (
    NOTHING,
    Access,
    Answer,
    Body,
    Model,
    Parameter,
    json_answer,
    json_body,
)
from deployments.ingress.routing.parameters import IN_PATHS
from deployments.settings import Settings

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_IN_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, eq=False, slots=True)
class Operation:
    """A method on a path: the function that serves it, and what it says of itself in ``/openapi.json``.

    ``errors`` are those that are its own; what can go wrong everywhere stands in ``openapi/document.py``.
    ``answers_page``: errors too are pages where ``Accept`` names ``text/html``.
    """

    method: str
    path: str
    endpoint: Endpoint
    access: Access
    parameters: tuple[Parameter, ...]
    body: Body | None
    answers: Mapping[int, Answer]
    errors: tuple[type[Exception], ...]
    answers_page: bool


class Routes:
    """Collects a family of routes. Its module's docstring begins with what the family is about.

        @routes.on(
            "POST",
            "/api/v2/files",
            body=NewFile,                                # a model: JSON; or a Body
            answers={201: FileShown},                    # a model: JSON; None: nothing, as with 204; or an Answer
            errors=(NotFound,),                          # classes, which ``ingress/errors.py`` gives a status
        )
        async def create(request: Request) -> Response:
            \"""Declare a file; its bytes come next.         <- the summary

            What follows is the description.
            \"""

    ``access`` is ``"user"`` unless it is given. Parameters in paths are known by name (``openapi/parameters.py``),
    those of the query are given as ``parameters``. Errors that follow from the access, from a body, and from having a
    catalog at all are added by themselves. Handlers check all of it: nothing here does.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def on(
        self,
        methods: str,
        *paths: str,
        access: Access = "user",
        parameters: tuple[Parameter, ...] = (),
        body: Body | Model | Callable[[Settings], Model] | None = None,
        answers: Mapping[int, Answer | Model | None] | None = None,
        errors: tuple[type[Exception], ...] = (),
        answers_page: bool = False,
    ) -> Callable[[Endpoint], Endpoint]:
        """Serve ``methods`` (space-separated) of every path, in both slash forms.

        Raises ``ValueError`` for a parameter in a path that nobody has described.
        """
        described = {status: _answer(answer) for status, answer in (answers or {}).items()}

        def register(endpoint: Endpoint) -> Endpoint:
            for path in paths:
                for method in methods.split():
                    operation = Operation(
                        method=method,
                        path=path,
                        endpoint=endpoint,
                        access=access,
                        parameters=(*_parameters_in(path), *parameters),
                        body=json_body(body) if callable(body) else body,
                        answers=described,
                        errors=errors,
                        answers_page=answers_page,
                    )
                    self.operations.append(operation)
            return endpoint

        return register

    @property
    def routes(self) -> list[Route]:
        """One for each operation and slash form."""
        return [
            Route(form, operation.endpoint, methods=[operation.method])
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
        return NOTHING
    return answer if isinstance(answer, Answer) else json_answer(answer)
