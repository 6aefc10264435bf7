"""Pages for a browser: sign in, sign out, look at a dataset; and the cookies behind them."""

from contextlib import ExitStack
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from auth import csrf
from auth.errors import AuthError, InvalidCredentials, TooManyAttempts, Unauthenticated
from auth.names import MOST_CHARACTERS, shown
from auth.principal import Principal
from catalog.errors import CatalogFull, CatalogUnavailable
from deployments.ingress.body import checked, json_object, read_bytes
from deployments.ingress.callers.call import OpenCall, OptionalCall
from deployments.ingress.callers.dataset_access import find
from deployments.ingress.callers.session import credential_of
from deployments.ingress.errors import InvalidRequest, NotFound, RequestError, status_of
from deployments.ingress.fields import Link, Name, Password
from deployments.ingress.json_answers import JsonAnswer
from deployments.ingress.middleware.security_headers import VIEWER_PATH
from deployments.ingress.routes.admin import shown_user
from deployments.ingress.routes.shapes.base import Done
from deployments.ingress.routes.shapes.log_in import CsrfToken, SessionBegun
from deployments.ingress.routing.declarations import (
    FORM,
    JSON,
    TEXT,
    Answer,
    Parameter,
    json_answer,
    page_answer,
    redirect_answer,
    text_of,
    unread_body,
)
from deployments.ingress.routing.parameters import IN_PATHS
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import Services, address_of
from deployments.ingress.uploads.bindings import ENCODINGS
from deployments.ingress.web import snippets
from deployments.ingress.web.assets import MEDIA_TYPES, assets
from deployments.ingress.web.cookies import forget_both, set_csrf, set_session
from deployments.ingress.web.csrf import (
    FORM_TYPE,
    MOST_FIELDS,
    CsrfFailed,
    check_csrf,
    check_source,
    form_of,
    usable_secret,
)
from deployments.ingress.web.pages import MAXIMUM_NEXT, page, safe_next, wants_page
from runtime.datasets.records import DatasetRecord

routes = Routes()

_NEXT: Final = Parameter("next", "The page to go to next: a path on this server.", text_of(MAXIMUM_NEXT), "/docs")

MOST_SHOWN: Final = 200
"""The viewer page lists so many columns of a table, and so many bindings."""


class SignIn(BaseModel):
    """The body of a sign-in."""

    username: Name = Field(examples=["ann"])
    password: Password = Field(examples=["correct horse battery"])
    next: Link | None = Field(None, description="The page to go to after a form: a path on this server.")


@routes.on("GET", "/", access="optional", answers={200: page_answer("The page.")}, errors=(CatalogUnavailable,))
async def landing(call: OptionalCall[None]) -> Response:
    """Show what this server is, and links to start from."""
    who = call.principal
    example = snippets.pygraphistry(_server(call.request), "DATASET_ID", None if who is None else who.username)
    return page(call.request, "landing.html", reader=who, example=example)


@routes.on(
    "GET",
    "/login",
    access="optional",
    parameters=(_NEXT,),
    answers={200: page_answer("The sign-in page."), 303: redirect_answer("To `next`, if the caller is signed in.")},
    errors=(CatalogUnavailable,),
)
async def sign_in_page(call: OptionalCall[None]) -> Response:
    """Show the sign-in page. A user who is signed in is sent to ``next``."""
    following = safe_next(call.request.query_params.get("next"))
    if call.principal is not None:
        return RedirectResponse(following, 303)
    return _sign_in_page(call.request, following)


@routes.on(
    "POST",
    "/login",
    access="open",
    body=unread_body({JSON: SignIn, FORM: SignIn}),
    answers={
        200: json_answer(SessionBegun, "The user who signed in, for a body of JSON.", headers=("Set-Cookie",)),
        303: Answer("To `next`, for a form.", headers=("Location", "Set-Cookie")),
    },
    errors=(InvalidCredentials, CsrfFailed, TooManyAttempts, CatalogUnavailable, CatalogFull),
    answers_page=True,
    audit=("log_in",),
    ends_with_caller=True,
)
async def sign_in(call: OpenCall[None]) -> Response:
    """Sign in with a form or JSON. Sets the session cookie and a new CSRF secret.

    No CSRF token is needed, because there is no session yet. A request from a browser must come from a page of this
    server; otherwise another site could sign its visitor in as another user.
    """
    fields: dict[str, Any] = {}
    try:
        check_source(call.request, referer_required=False)
        fields = await _sign_in_fields(call)
        body = checked(SignIn, fields)
        signed_in = await call.services.credentials.sign_in(body.username, body.password, address_of(call.request))
    except (AuthError, RequestError) as error:
        if not wants_page(call.request):
            raise
        typed = {name: value for name, value in fields.items() if isinstance(value, str)}
        return _sign_in_page(call.request, safe_next(typed.get("next")), shown(typed.get("username", "")), error)
    response: Response
    if _is_form(call.request):
        response = RedirectResponse(safe_next(body.next), 303)
    else:
        response = JsonAnswer({"success": True, "user": shown_user(signed_in.principal)})
    set_session(call.request, response, signed_in.token, call.services.settings.token_lifetime_s)
    set_csrf(call.request, response, csrf.new_secret())
    return response


@routes.on(
    "POST",
    "/logout",
    access="credential",
    answers={
        200: json_answer(Done, headers=("Set-Cookie",)),
        303: Answer("To the sign-in page, for a browser.", headers=("Location", "Set-Cookie")),
    },
    errors=(Unauthenticated, CatalogUnavailable, CatalogFull),
    answers_page=True,
    audit=("log_out",),
)
async def sign_out(call: OpenCall[None]) -> Response:
    """End the session of this request, or the log-in of its Bearer token."""
    credential = credential_of(call.request)
    try:
        if credential is None:
            check_source(call.request)
        elif credential.from_cookie:
            await check_csrf(call.request)
    except RequestError as error:
        if not wants_page(call.request):
            raise
        return page(call.request, "notice.html", error.status, title="You are still signed in", text=error.message)
    if credential is not None:
        try:
            await call.services.credentials.sign_out(credential.token, address_of(call.request))
        except Unauthenticated:
            pass  # it has ended already
    response = RedirectResponse("/login", 303) if wants_page(call.request) else JsonAnswer({"success": True})
    forget_both(call.request, response)
    return response


@routes.on(
    "GET",
    "/api/v1/csrfmiddlewaretoken",
    access="open",
    answers={200: json_answer(CsrfToken, headers=("Set-Cookie",))},
)
async def csrf_token(call: OpenCall[None]) -> Response:
    """Get a token for ``X-CSRFToken``, and its cookie if the browser has none."""
    known = usable_secret(call.request)
    secret = known or csrf.new_secret()
    response = JsonAnswer({"csrfmiddlewaretoken": csrf.mask(secret)})
    if known is None:
        set_csrf(call.request, response, secret)
    return response


@routes.on(
    "GET",
    VIEWER_PATH,
    access="optional",
    parameters=(
        Parameter("dataset", "The id of the dataset.", text_of(MOST_CHARACTERS), IN_PATHS["dataset_id"].example),
    ),
    answers={
        200: page_answer("The dataset; a page to sign in at if the caller is not signed in."),
        404: page_answer("There is no such dataset, or the caller may not read it."),
    },
    errors=(CatalogUnavailable,),
)
async def viewer(call: OptionalCall[None]) -> Response:
    """Show a dataset and how to run Python on it, at the address to which clients link.

    A caller who may not read the dataset does not learn if it exists.
    """
    who = call.principal
    record = await _readable(call.services, who, call.request.query_params.get("dataset", ""))
    if record is None:
        return page(call.request, "unreadable.html", 200 if who is None else 404, reader=who)
    server = _server(call.request)
    username = None if who is None else who.username
    bindings = {
        name: column
        for role in ENCODINGS.values()
        for name, column in ((record.payload.get(role) or {}).get("bindings") or {}).items()
    }
    return page(
        call.request,
        "viewer.html",
        reader=who,
        dataset=record,
        bindings=dict(islice(bindings.items(), MOST_SHOWN)),
        more_bindings=max(0, len(bindings) - MOST_SHOWN),
        columns={role: dict(islice(table.dtypes.items(), MOST_SHOWN)) for role, table in record.tables.items()},
        python=snippets.pygraphistry(server, record.id, username),
        curl=snippets.curl(server, record.id, username),
    )


@routes.on(
    "GET",
    "/static/{name}",
    access="open",
    parameters=(
        Parameter(
            "v",
            "The digest of the file's content. If it is current, browsers may keep the file for a year.",
            text_of(64),
        ),
    ),
    answers={200: Answer("The file.", {kind.partition(";")[0]: TEXT for kind in MEDIA_TYPES.values()})},
    errors=(NotFound,),
)
async def static(call: OpenCall[None]) -> Response:
    """Get a style sheet or a picture that the pages use."""
    asset = assets().get(call.path["name"])
    if asset is None:
        raise NotFound("no such file")
    is_current = call.request.query_params.get("v") == asset.digest
    keep = "public, max-age=31536000, immutable" if is_current else "no-cache"
    return Response(asset.content, headers={"Cache-Control": keep}, media_type=asset.media_type)


async def _readable(services: Services, who: Principal | None, dataset_id: str) -> DatasetRecord | None:
    """Return the dataset if this reader may know of it: anybody may know of a public one."""
    try:
        return (await find(services, who, dataset_id)).record
    except NotFound:
        return None


def _server(request: Request) -> snippets.Server:
    return snippets.Server(request.url.scheme, request.url.netloc)


async def _sign_in_fields(call: OpenCall[None]) -> dict[str, Any]:
    kind = _media_type(call.request)
    if kind not in (FORM_TYPE, JSON):
        raise InvalidRequest(f"sign in with a body of type {FORM_TYPE} or {JSON}")
    with ExitStack() as held:
        data = await read_bytes(call.request, call.most_bytes, held)
    if kind == JSON:
        return json_object(data)
    try:
        return dict(form_of(data))
    except ValueError:
        raise InvalidRequest(f"the form has more than {MOST_FIELDS} fields") from None


def _sign_in_page(request: Request, following: str, username: str = "", error: Exception | None = None) -> Response:
    if error is None:
        return page(request, "login.html", next=following, username="", problem="")
    problem = "wrong username or password" if isinstance(error, InvalidCredentials) else str(error)
    response = page(request, "login.html", status_of(type(error)), next=following, username=username, problem=problem)
    retry_after_s = getattr(error, "fields", {}).get("retry_after_s")
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(int(retry_after_s))
    return response


def _is_form(request: Request) -> bool:
    return _media_type(request) == FORM_TYPE


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()
