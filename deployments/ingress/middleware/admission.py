"""Bounds how many requests are in this replica at a time: in all, from one address, and of callers without a log-in.

A request holds its place from its head to the last byte of its answer. One that finds no place is answered at once with
503, before its body is read. Callers who have not proved who they are leave half of the places to those who have. The
last tenth of the places, and of that half, is for addresses (IPv6: sites) that hold less than a tenth.
"""

from collections import Counter
from contextlib import ExitStack
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.addresses import site_of
from deployments.ingress.error_answers import error_response
from deployments.ingress.errors import TooManyRequests
from deployments.ingress.sender import sent_from
from runtime.errors import Overloaded

_UNTIL_ANSWERED: Final = "until_answered"
_STRANGERS: Final = "strangers"


def until_answered(request: Request) -> ExitStack:
    """Return the stack of what a request holds until its answer was sent or given up."""
    held: ExitStack = request.scope["state"][_UNTIL_ANSWERED]
    return held


def count_as_stranger(request: Request) -> None:
    """Count a request, until it is answered, among those whose callers have not proved who they are.

    Raises ``TooManyRequests`` (429) if its address has too many of them, ``Overloaded`` (503) if there are too many.
    """
    strangers: _Places = request.scope["state"][_STRANGERS]
    until_answered(request).enter_context(strangers.take(_site(request.scope)))


class Admission:
    """Plain ASGI, inside ``Forwarding``, which says where a request comes from, and inside ``RequestIds``."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._all = _Places(most)
        self._strangers = _Places(most // 2, " of callers who are not logged in")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        site = _site(scope)
        try:
            place = self._all.take(site)
        except (TooManyRequests, Overloaded) as refusal:
            response = error_response(refusal, path=scope["path"], request_id=scope["state"]["request_id"])
            await response(scope, receive, send)
            return
        with place, sent_from(site), ExitStack() as until_answered:
            scope["state"][_UNTIL_ANSWERED] = until_answered
            scope["state"][_STRANGERS] = self._strangers
            await self._app(scope, receive, send)


class _Places:
    """Places for requests. ``whose``: the words for a kind of requests."""

    def __init__(self, most: int, whose: str = "") -> None:
        self._most = most
        self._tenth = most // 10
        self._whose = whose
        self._count = 0
        self._by_site: Counter[str] = Counter()

    def take(self, site: str) -> "_Place":
        """Return a place, which is given back at the end of a block. Raise ``TooManyRequests``, ``Overloaded``."""
        own = self._by_site.get(site, 0)
        if self._tenth and own >= self._tenth and self._count >= self._most - self._tenth:
            text = f"the server is busy, and {own} requests{self._whose} from your address are in progress"
            raise TooManyRequests(
                f"{text}; wait for their answers, then try again", limit_name="requests_of_an_address",
                limit=own, observed=own, retry_after_s=1,
            )  # fmt: skip
        if self._count >= self._most:
            text = f"the server is busy ({self._count} requests{self._whose} are in progress); try again later"
            raise Overloaded(text, retry_after_s=1)
        self._count += 1
        self._by_site[site] += 1
        return _Place(self, site)

    def give_back(self, site: str) -> None:
        self._count -= 1
        self._by_site[site] -= 1
        if not self._by_site[site]:
            del self._by_site[site]


class _Place:
    """A place that is taken. It is no generator, because every request has one."""

    __slots__ = ("_places", "_site")

    def __init__(self, places: _Places, site: str) -> None:
        self._places = places
        self._site = site

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._places.give_back(self._site)


def _site(scope: Scope) -> str:
    client = scope.get("client")
    return site_of(client[0]) if client is not None else ""
