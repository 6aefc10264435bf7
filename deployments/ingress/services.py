"""The services of one ingress replica: the catalog, the store and the client of the runners."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from starlette.requests import Request

from auth.audit import Audit
from auth.flags import Flags
from auth.foreign import ForeignIssuer, ForeignTokens
from auth.groups import Groups
from auth.keys import PersonalKeys
from auth.organizations import Organizations
from auth.principal import Principal
from auth.revocations import Revocations
from auth.signing_key import load_key_if_there, load_or_make_key
from auth.throttle import LoginThrottle
from auth.tokens import ISSUER, Tokens
from auth.users import Users
from catalog.engine import Catalog, open_catalog
from deployments.ingress.credentials import Credentials
from deployments.ingress.errors import TooManyRequests
from deployments.ingress.held_bodies import HeldBodies
from deployments.ingress.runs.quota import RunQuota
from deployments.ingress.runs.request import RunRequest, run_request_model
from deployments.ingress.snapshot import Snapshot
from deployments.ingress.standing import Standing
from deployments.ingress.threads import Threads
from deployments.ingress.unread import UnreadAnswers
from deployments.settings import Settings
from runtime.datasets.records import Datasets, Files, ObjectRecord, Shares, StoredBytes
from runtime.datasets.store.base import Store
from runtime.datasets.store.opening import open_store
from runtime.datasets.store.sweep import forget_unreferenced
from runtime.errors import Overloaded, StoreUnavailable
from runtime.memory import memory_bytes
from runtime.receipts import Receipts
from runtime.turns import Turns

if TYPE_CHECKING:
    from deployments.calls.runner_client import RunnerClient

log = logging.getLogger("graphside.store")

P = ParamSpec("P")
T = TypeVar("T")

PREVIOUS_KEY_NAME = "jwt.previous.key"

_NO_STORE = (StoreUnavailable, TooManyRequests, Overloaded)
"""The store does not answer, or too many calls to it wait."""


@dataclass(frozen=True)
class Services:
    """The services of one replica.

    Calls to the catalog block: make them through ``snapshot``, or with ``ask``, ``write`` or ``change``.
    """

    settings: Settings
    threads: Threads
    catalog: Catalog
    snapshot: Snapshot
    users: Users
    flags: Flags
    groups: Groups
    organizations: Organizations
    keys: PersonalKeys
    tokens: Tokens
    credentials: Credentials
    standing: Standing
    audit: Audit
    files: Files
    datasets: Datasets
    shares: Shares
    stored_bytes: StoredBytes
    store: Store
    runners: "RunnerClient"
    quota: RunQuota
    unread: UnreadAnswers
    bodies: HeldBodies
    upload_turns: Turns
    receipts: Receipts
    run_request: type[RunRequest]

    @classmethod
    def open(cls, settings: Settings, runners: "RunnerClient") -> "Services":
        """Open the catalog and the store of these settings."""
        catalog = open_catalog(settings.catalog_url)
        threads, users, audit = Threads(), Users(catalog), Audit(catalog)
        snapshot = Snapshot(catalog, threads)
        tokens, keys = make_tokens(settings), PersonalKeys(catalog, users)
        credentials = Credentials(
            threads=threads,
            snapshot=snapshot,
            users=users,
            keys=keys,
            tokens=tokens,
            foreign=foreign_tokens(settings),
            revocations=Revocations(catalog),
            throttle=LoginThrottle(),
            audit=audit,
        )
        traffic = settings.traffic
        return cls(
            settings=settings,
            threads=threads,
            catalog=catalog,
            snapshot=snapshot,
            users=users,
            flags=Flags(catalog),
            groups=Groups(catalog),
            organizations=Organizations(catalog),
            keys=keys,
            tokens=tokens,
            credentials=credentials,
            standing=Standing(credentials),
            audit=audit,
            files=Files(catalog, settings.user_stored_bytes),
            datasets=Datasets(catalog, settings.default_access, settings.user_stored_bytes),
            shares=Shares(catalog, settings.default_access),
            stored_bytes=StoredBytes(catalog, settings.user_stored_bytes),
            store=open_store(settings.data_dir, settings.store_options),
            runners=runners,
            quota=RunQuota(settings.user_runs, settings.user_runs_per_minute),
            bodies=HeldBodies(traffic.body_bytes),
            unread=UnreadAnswers(traffic.unread_bytes or memory_bytes() // 4),
            upload_turns=Turns(
                traffic.uploads,
                queue=8 * traffic.uploads,
                queue_per_user=2 * traffic.uploads,
                spared=traffic.uploads // 4,
            ),
            receipts=Receipts(catalog, settings.receipt_output_bytes, settings.user_receipt_bytes),
            run_request=run_request_model(settings),
        )

    async def ask(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the catalog in a thread. Raises as ``Pool.call``, and what ``read`` raises."""
        return await self.threads.catalog.call(read, *args, **kwargs)

    async def write(self, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write to the catalog in a thread. Answers that replicas remember are older for up to two seconds."""
        return await self.threads.changes.call(write, *args, **kwargs)

    async def change(self, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write to the catalog in a thread. This replica sees the change at once, the others within seconds."""
        try:
            return await self.write(write, *args, **kwargs)
        finally:
            self.snapshot.forget()

    def note(
        self,
        request: Request,
        actor: Principal | str | None,
        action: str,
        target: str = "",
        outcome: str = "ok",
        **detail: Any,
    ) -> None:
        """Add a line to the audit log, with the address that the request came from. Never waits."""
        self.audit.append(actor, address_of(request), action, target, outcome, detail)

    def close(self) -> None:
        """End the threads, write the lines of audit and receipts that are still in memory, and close the catalog."""
        self.snapshot.close()
        self.threads.close()
        self.receipts.close()
        self.audit.close()
        self.catalog.close()

    async def discard(self, table: ObjectRecord) -> None:
        """Delete a stored table that nothing refers to. If the store is out of reach, the janitor deletes it later."""
        try:
            await self.threads.store.call(self.store.delete, table.id)
        except _NO_STORE as error:
            log.warning("garbage.left %s", error)

    async def collect_garbage(self) -> None:
        """Delete stored tables that nothing refers to any more. A process that has one mapped keeps it until it ends.

        If the store is out of reach, the janitor deletes them later: for the caller they are gone already.
        """
        try:
            await self.threads.store.call(forget_unreferenced, self.store, self.datasets)
        except _NO_STORE as error:
            log.warning("garbage.left %s", error)


def services_of(request: Request) -> Services:
    """Return the services of the app that serves this request."""
    services: Services = request.app.state.services
    return services


def address_of(request: Request) -> str:
    """Return the address that the request came from, as ``middleware/forwarding.py`` believes it."""
    return request.client.host if request.client is not None else ""


def make_tokens(settings: Settings) -> Tokens:
    """Return tokens signed with the current key. The previous key, ``jwt.previous.key`` beside it, still verifies."""
    current = settings.signing_key_file
    previous = load_key_if_there(current.with_name(PREVIOUS_KEY_NAME))
    return Tokens(load_or_make_key(current), ISSUER, settings.token_lifetime_s, previous_key=previous)


def foreign_tokens(settings: Settings) -> ForeignTokens | None:
    """Return tokens of the issuer that the settings name, if any. Raises ``ValueError`` for an unsafe issuer."""
    named = settings.foreign_tokens
    return None if named is None else ForeignTokens(ForeignIssuer(**named.model_dump()))
