"""Personal keys, made and revoked by whose they are (protocol 1.5)."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.errors import Forbidden, UnknownKey
from auth.keys import PersonalKey
from deployments.ingress.body import checked, read_json
from deployments.ingress.callers.session import credential_of
from deployments.ingress.routes.shapes.keys import KeyList, KeyMade
from deployments.ingress.routing.declarations import json_answer, json_body, link
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import services_of

routes = Routes()


class NewKeyBody(BaseModel):
    """Body of ``POST /api/v2/auth/pkey/``."""

    name: str = Field("", description="What it is for; cut after 200 characters.", examples=["notebook"])


@routes.on(
    "POST",
    "/api/v2/auth/pkey",
    body=json_body(NewKeyBody, is_required=False),
    answers={201: json_answer(KeyMade, links={"revoke": link("keys_revoke", key_id="$response.body#/id")})},
    errors=(Forbidden,),
)
async def create(request: Request) -> Response:
    """Make a key. Its secret is in this answer and nowhere else.

    Not with a token that was had for a key: whoever found one could make himself another before it is revoked.
    """
    services = services_of(request)
    principal = await services.principal(request)
    credential = credential_of(request)
    if credential is not None and await services.credentials.is_from_key(credential.token):
        raise Forbidden("Sign in with your password to make a personal key.")
    body = checked(NewKeyBody, await read_json(request, empty={}))
    made = await services.change(services.keys.create, principal.user_id, body.name)
    services.note(request, principal, "key.create", f"key:{made.key.id}")
    return JSONResponse({"success": True, **_shown(made.key), "secret": made.secret}, 201)


@routes.on("GET", "/api/v2/auth/pkey", answers={200: KeyList})
async def list_keys(request: Request) -> Response:
    """One's own keys, revoked ones too, newest first; no secrets."""
    services = services_of(request)
    principal = await services.principal(request)
    keys = await asyncio.to_thread(services.keys.listing, principal.user_id)
    return JSONResponse({"success": True, "results": [_shown(key) for key in keys]})


@routes.on("DELETE", "/api/v2/auth/pkey/{key_id}", answers={204: None}, errors=(UnknownKey,))
async def revoke(request: Request) -> Response:
    """Revoke a key of one's own. Tokens that were had for it end too."""
    services = services_of(request)
    principal = await services.principal(request)
    key_id = request.path_params["key_id"]
    await services.change(services.keys.revoke, principal.user_id, key_id)
    services.note(request, principal, "key.revoke", f"key:{key_id}")
    return Response(status_code=204)


def _shown(key: PersonalKey) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(key).items()}
