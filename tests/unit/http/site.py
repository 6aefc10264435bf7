"""The HTTP app over a catalog of its own, and browsers that visit it."""

import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from auth.passwords import Passwords
from auth.principal import Principal
from auth.users import Users
from deployments.calls.runner_client import RunnerClient
from deployments.ingress.app import build_asgi_app
from deployments.ingress.services import Services
from deployments.settings import Settings
from runtime.datasets.records import DatasetRecord, ObjectRecord, Role
from tests.catalogs import new_catalog
from tests.conformance import own_document

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a newer client library under it
    from starlette.testclient import TestClient

__all__ = ["PAGE", "PASSWORD", "SECRET", "Browser", "Site", "TestClient"]

PASSWORD = "correct horse battery"
SECRET = "abcdefghijklmnopqrstuvwxyzABCDEF"
PAGE = {"accept": "text/html,application/xhtml+xml"}


class Browser(TestClient):
    """A client that holds every answer to the document."""

    def request(self, method: str, url: Any, **more: Any) -> Any:  # Any: the types of whichever library is under it
        answer = super().request(method, url, **more)
        own_document().check(method, str(answer.request.url), answer)
        return answer


@dataclass(frozen=True)
class Site:
    """One ingress without runners."""

    services: Services

    @classmethod
    def open(cls, data_dir: Path, **settings: Any) -> "Site":
        made = Settings(data_dir=data_dir, **settings)
        new_catalog(made.catalog_url)
        services = Services.open(made, cast(RunnerClient, object()))
        users = Users(services.catalog, Passwords(time_cost=1, memory_cost_kib=8))
        return cls(replace(services, users=users, credentials=replace(services.credentials, users=users)))

    def close(self) -> None:
        self.services.close()

    def user(self, username: str, *, admin: bool = False) -> Principal:
        return self.services.users.add(username, PASSWORD, is_admin=admin)

    def dataset(self, owner: Principal, name: str, description: str = "", column: str = "s") -> DatasetRecord:
        """A dataset with one table of edges that nobody stored."""
        table = ObjectRecord(
            id=f"{abs(hash((name, owner))):032x}"[:32], byte_count=1, row_count=1234, column_count=1,
            dtypes={column: "str"}, created_at=datetime.now(UTC),
        )  # fmt: skip
        payload = {"edge_encodings": {"bindings": {"source": column}}, "node_encodings": {"bindings": {}}}
        tables: dict[Role, str | ObjectRecord] = {"edges": table}
        return self.services.datasets.create(owner.user_id, name, description, payload, tables)

    def browser(self, scheme: str = "http") -> Browser:
        """A browser without cookies, at ``http://site.example``."""
        return Browser(build_asgi_app(self.services), base_url=f"{scheme}://site.example", follow_redirects=False)

    def signed_in(self, username: str, scheme: str = "http") -> Browser:
        """A browser with a session."""
        browser = self.browser(scheme)
        answer = browser.post("/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return browser
