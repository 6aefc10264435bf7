"""What users may ask about themselves."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.ingress.routes.admin import shown_account
from deployments.ingress.routes.organizations import shown_organization
from deployments.ingress.routes.shapes.users import Me
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import services_of

routes = Routes()


@routes.on("GET", "/api/v2/users/me", answers={200: Me})
async def me(request: Request) -> Response:
    """Who one is, which organisations one is in, how much one has stored and may store."""
    services = services_of(request)
    principal = await services.principal(request)
    organizations = await asyncio.to_thread(services.organizations.of, principal)
    used = await asyncio.to_thread(services.stored_bytes.used, principal.user_id)
    return JSONResponse(
        {
            "success": True,
            "user": shown_account(principal),
            "organizations": [shown_organization(item) for item in organizations],
            "stored_bytes": {"used": used, "allowed": services.stored_bytes.most},
        }
    )
