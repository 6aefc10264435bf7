"""Personal keys: users make and revoke their own."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from auth.errors import Forbidden, UnknownKey
from auth.keys import NAME_CHARACTERS, PersonalKey
from deployments.ingress.callers.call import Call
from deployments.ingress.callers.session import has_key_token
from deployments.ingress.fields import CutAt
from deployments.ingress.json_answers import JsonAnswer, json_answer_of
from deployments.ingress.routes.shapes.keys import KeyList, KeyMade
from deployments.ingress.routing.declarations import JSON, json_answer, link, unread_body
from deployments.ingress.routing.routes import Routes

routes = Routes()


class NewKeyBody(BaseModel):
    """A new personal key."""

    name: Annotated[str, CutAt(NAME_CHARACTERS)] = Field(
        "", description="What the key is for; cut after 200 characters.", examples=["notebook"]
    )


@routes.on(
    "POST",
    "/api/v2/auth/pkey",
    body=unread_body({JSON: NewKeyBody}, is_required=False),
    answers={201: json_answer(KeyMade, links={"revoke": link("keys_revoke", key_id="$response.body#/id")})},
    errors=(Forbidden,),
    audit=("key.create",),
)
async def create(call: Call[None]) -> Response:
    """Make a personal key. Its secret is in this answer only.

    A token that was given for a personal key is refused, because a stolen key must not be able to make another key.
    """
    if await has_key_token(call.request, call.services):
        raise Forbidden("sign in with your password to make a personal key")
    body = await call.read(NewKeyBody, is_required=False)
    made = await call.services.change(call.services.keys.create, call.principal.user_id, body.name)
    call.note("key.create", f"key:{made.key.id}")
    return JsonAnswer({"success": True, **_shown(made.key), "secret": made.secret}, 201)


@routes.on("GET", "/api/v2/auth/pkey", answers={200: KeyList})
async def list_keys(call: Call[None]) -> Response:
    """List your own keys without their secrets, revoked keys too, newest first."""
    keys = await call.services.ask(call.services.keys.list, call.principal.user_id)
    return await json_answer_of(call.services, lambda: {"success": True, "results": [_shown(key) for key in keys]})


@routes.on(
    "DELETE",
    "/api/v2/auth/pkey/{key_id}",
    answers={204: None},
    errors=(UnknownKey,),
    audit=("key.revoke",),
)
async def revoke(call: Call[None]) -> Response:
    """Revoke one of your own keys. Tokens that were given for it end too."""
    key_id = call.path["key_id"]
    await call.services.change(call.services.keys.revoke, call.principal.user_id, key_id)
    call.note("key.revoke", f"key:{key_id}")
    return Response(status_code=204)


def _shown(key: PersonalKey) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(key).items()}
