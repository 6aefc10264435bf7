"""Notices that a caller's log-in ends while their request is still going on.

A log-in ends when its user is disabled or logs out, when the password changes, or when its personal key is revoked.
Whenever the catalog changes, each caller who has something to lose is looked up again. A token that merely expires ends
nothing: it was valid when the request came.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, TypeVar

from auth.errors import Unauthenticated
from deployments.ingress.credentials import AnyClaims, Credentials
from runtime.errors import TaskCancelled

log = logging.getLogger("graphside.ingress")

LOOK_AGAIN_S: Final = 1.0
"""Pause before the next look if the catalog did not answer."""

T = TypeVar("T")


class Standing:
    """The log-ins of requests that go on for long. Use it in one event loop."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._watched: dict[_Watched, None] = {}
        self._looking: asyncio.Task[None] | None = None
        self._has_changed = False
        self._is_unsure = False
        credentials.snapshot.when_forgotten(self._look_again)

    def watch(self, claims: AnyClaims, end: Callable[[], object]) -> "_Watched":
        """Call ``end`` if the log-in ends while the block lasts."""
        return _Watched(self._watched, claims, end)

    async def during(self, claims: AnyClaims, run: Awaitable[T]) -> T:
        """Return what a run returns. Raise ``TaskCancelled``, and cancel the run, if the caller's log-in ends first."""
        task = asyncio.current_task()
        assert task is not None
        has_ended = False

        def end() -> None:
            nonlocal has_ended
            has_ended = True
            task.cancel()

        with self.watch(claims, end):
            try:
                return await run
            except asyncio.CancelledError:
                if not has_ended or task.uncancel() > 0:
                    raise
        raise TaskCancelled("the run was cancelled because your log-in has ended; log in again")

    def _look_again(self) -> None:
        self._has_changed = True
        if self._watched and self._looking is None:
            # In a context of its own: in that of whoever changed the catalog, it would wait in their queues.
            self._looking = asyncio.get_running_loop().create_task(self._look(), context=Context())

    async def _look(self) -> None:
        try:
            while self._has_changed and self._watched:
                self._has_changed = False
                for claims in dict.fromkeys(watched.claims for watched in self._watched):
                    await self._look_at(claims)
                if self._is_unsure:
                    self._is_unsure, self._has_changed = False, True
                    await asyncio.sleep(LOOK_AGAIN_S)
        finally:
            self._looking = None

    async def _look_at(self, claims: AnyClaims) -> None:
        try:
            await self._credentials.principal_for(claims)
        except Unauthenticated:
            lost = [watched for watched in self._watched if watched.claims == claims]
            log.info("caller.log_in_ended requests=%d", len(lost))
            for watched in lost:
                watched.end()
        except Exception as error:  # whatever it is: whoever may have lost their log-in is looked at again
            if not self._is_unsure:
                log.warning("caller.log_in_unknown %s: %s", type(error).__name__, error)
            self._is_unsure = True


class _Watched:
    """A request that goes on. It is no generator, because every run is watched."""

    __slots__ = ("_all", "claims", "end")

    def __init__(self, others: "dict[_Watched, None]", claims: AnyClaims, end: Callable[[], object]) -> None:
        self._all = others
        self.claims = claims
        self.end = end

    def __enter__(self) -> None:
        self._all[self] = None

    def __exit__(self, *_: object) -> None:
        del self._all[self]
