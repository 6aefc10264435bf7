"""Pages of other origins: which may call, and a refusal of a preflight in the shape of all our errors."""

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.ingress.error_answers import error_response
from deployments.ingress.errors import InvalidRequest

_REFUSED: Final = (
    "a page may not send this request: {what}; the setting cors_origins names the origins that may, and the header "
    "fields that this server takes from them are Authorization, Content-Type and X-CSRFToken"
)


class CrossOrigin(CORSMiddleware):
    """Starlette's, which answers a refused preflight in plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" and scope["method"] == "OPTIONS" else None
        if headers is not None and "origin" in headers and "access-control-request-method" in headers:
            answer = self.preflight_response(headers)
            if answer.status_code != 200:
                answer = _refusal(answer, scope)
            await answer(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


def _refusal(plain: Response, scope: Scope) -> Response:
    what = bytes(plain.body).decode()[:200]
    error = InvalidRequest(_REFUSED.format(what=what.lower().replace("cors", "CORS")))
    answer = error_response(error, path=scope["path"], request_id=scope["state"]["request_id"])
    kept = {name: value for name, value in plain.headers.items() if name not in ("content-length", "content-type")}
    answer.headers.update(kept)
    return answer
