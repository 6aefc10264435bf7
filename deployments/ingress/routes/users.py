"""The caller's own account."""

from starlette.responses import Response

from deployments.ingress.callers.call import Call
from deployments.ingress.json_answers import JsonAnswer
from deployments.ingress.routes.admin import shown_account
from deployments.ingress.routes.organizations import shown_organization
from deployments.ingress.routes.shapes.users import Me
from deployments.ingress.routing.routes import Routes

routes = Routes()


@routes.on("GET", "/api/v2/users/me", answers={200: Me})
async def me(call: Call[None]) -> Response:
    """Get who you are, your organizations, and how much you have stored and may store."""
    organizations = await call.services.ask(call.services.organizations.of, call.principal)
    used = await call.services.ask(call.services.stored_bytes.used, call.principal.user_id)
    return JsonAnswer(
        {
            "success": True,
            "user": shown_account(call.principal),
            "organizations": [shown_organization(item) for item in organizations],
            "stored_bytes": {"used": used, "allowed": call.services.stored_bytes.most},
        }
    )
