"""What the routes of one ingress replica work with: the catalog's rooms, the store, the way to the runners."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from auth.errors import Unauthenticated
from auth.flags import Flags
from auth.principal import Principal
from auth.signing_key import load_or_make_key
from auth.tokens import Tokens, bearer
from auth.users import Users
from catalog.engine import Catalog, open_catalog
from deployments.quota import RunQuota
from deployments.run_request import RunRequest, run_request_model
from deployments.settings import Settings
from deployments.snapshot import Snapshot
from runtime.datasets.records import Datasets, Files
from runtime.datasets.store import LocalStore

if TYPE_CHECKING:
    from deployments.runs import RunnerClient

ISSUER = "graphside"


@dataclass(frozen=True)
class Services:
    """One of each. Everything of the catalog blocks: call it through ``snapshot`` or in a thread."""

    settings: Settings
    catalog: Catalog
    snapshot: Snapshot
    users: Users
    flags: Flags
    tokens: Tokens
    files: Files
    datasets: Datasets
    store: LocalStore
    runners: "RunnerClient"
    quota: RunQuota
    run_request: type[RunRequest]

    @classmethod
    def open(cls, settings: Settings, runners: "RunnerClient") -> "Services":
        """Open the catalog and the store that ``settings`` name."""
        catalog = open_catalog(settings.catalog_url)
        key = load_or_make_key(settings.signing_key_file)
        return cls(
            settings=settings,
            catalog=catalog,
            snapshot=Snapshot(catalog),
            users=Users(catalog),
            flags=Flags(catalog),
            tokens=Tokens(key, ISSUER, settings.token_lifetime_s),
            files=Files(catalog),
            datasets=Datasets(catalog),
            store=LocalStore(settings.data_dir),
            runners=runners,
            quota=RunQuota(settings.user_runs),
            run_request=run_request_model(settings),
        )

    async def principal(self, request: Request) -> Principal:
        """Who sends this request. Raises ``Unauthenticated`` (401)."""
        header = request.headers.get("authorization")
        if header is None:
            raise Unauthenticated
        return await self.principal_of(bearer(header))

    async def principal_of(self, token: str) -> Principal:
        """Whose token this is, provided that it still counts. Raises ``Unauthenticated``."""
        claims = self.tokens.verify(token)
        key = ("active", claims.user_id, claims.issued_at)
        return await self.snapshot.get(key, lambda: self.users.active(claims.user_id, claims.issued_at))

    async def collect_garbage(self) -> None:
        """Unlink stored tables that nothing names any more; whoever has one mapped keeps it until he ends."""
        await asyncio.to_thread(self._collect_garbage)

    def _collect_garbage(self) -> None:
        for object_id in self.datasets.forget_objects(self.datasets.unreferenced_objects()):
            self.store.delete(object_id)


def services_of(request: Request) -> Services:
    """The services of the app that serves this request."""
    services: Services = request.app.state.services
    return services
