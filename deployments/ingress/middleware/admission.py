"""Bounds how many requests are in this replica at a time, in all and from one address.

A request holds its place from its head to the last byte of its answer. One that finds no place is answered at once with
503, before its body is read. An address leaves a tenth of the places to others.
"""

from collections import Counter
from contextlib import ExitStack
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.addresses import network_of
from deployments.ingress.error_answers import error_response
from deployments.ingress.errors import TooManyRequests
from deployments.ingress.sender import sent_from
from runtime.errors import Overloaded

_UNTIL_ANSWERED: Final = "until_answered"


def until_answered(request: Request) -> ExitStack:
    """Return the stack of what a request holds until its answer was sent or given up."""
    held: ExitStack = request.scope["state"][_UNTIL_ANSWERED]
    return held


class Admission:
    """Plain ASGI, inside ``Forwarding``, which says where a request comes from, and inside ``RequestIds``."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._most_of_one = max(1, most - most // 10)
        self._count = 0
        self._by_network: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        address = client[0] if client is not None else ""
        network = network_of(address)
        refusal = self._refusal(network)
        if refusal is not None:
            response = error_response(refusal, path=scope["path"], request_id=scope["state"]["request_id"])
            await response(scope, receive, send)
            return
        self._count += 1
        self._by_network[network] += 1
        try:
            with sent_from(address), ExitStack() as until_answered:
                scope["state"][_UNTIL_ANSWERED] = until_answered
                await self._app(scope, receive, send)
        finally:
            self._count -= 1
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]

    def _refusal(self, network: str) -> Exception | None:
        own = self._by_network.get(network, 0)
        if own >= self._most_of_one:
            text = f"{own} requests from your address are in progress; wait for their answers, then try again"
            return TooManyRequests(
                text, limit_name="requests_of_an_address", limit=self._most_of_one, observed=own, retry_after_s=1
            )
        if self._count >= self._most:
            return Overloaded(
                f"the server is busy ({self._count} requests are in progress); try again later", retry_after_s=1
            )
        return None
