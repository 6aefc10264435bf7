"""A caller without access learns nothing of a dataset, and a reader learns which access is missing."""

from typing import Any

import httpx
import pytest
from sqlalchemy import event

from tests.unit.http.sharing.conftest import LINK, NOWHERE, audited, caller, share
from tests.unit.http.site import Browser, Site


@pytest.mark.parametrize(
    ("action", "method", "path", "body", "needs"),
    [
        ("dataset.attach", "POST", "/api/v2/upload/datasets/{id}/edges/csv", b"s,d\na,b\n", "20"),
        ("dataset.share", "POST", LINK, b'{"obj_pk": "{id}"}', "30"),
        ("dataset.share", "GET", LINK + "{id}", None, "30"),
        ("dataset.delete", "DELETE", "/api/v2/datasets/{id}/", None, "40"),
    ],
)
def test_a_reader_who_lacks_access_gets_403_and_everybody_else_404(
    site: Site, dataset: str, action: str, method: str, path: str, body: bytes | None, needs: str
) -> None:
    def ask(username: str, dataset_id: str) -> httpx.Response:
        content = None if body is None else body.replace(b"{id}", dataset_id.encode())
        answer: httpx.Response = caller(site, username).request(method, path.format(id=dataset_id), content=content)
        return answer

    for granted in ("10", "20", "30"):
        if granted >= needs:
            break
        share(site, "ann", dataset, invited_users=[{"email": "eve", "action": granted}])
        answer = ask("eve", dataset)
        assert (answer.status_code, answer.json()["type"]) == (403, "Forbidden"), granted
        detail = {"access": {"10": "view", "20": "edit", "30": "share"}[granted]}
        assert audited(site, dataset)[-1] == ("eve", action, "refused", detail)
    before = audited(site, dataset)
    bodies = []
    for dataset_id in (dataset, NOWHERE):
        answer = ask("dora", dataset_id)
        assert answer.status_code == 404
        told = {key: str(value).replace(dataset_id, "ID") for key, value in answer.json().items()}
        bodies.append(told | {"request_id": ""})
    assert bodies[0] == bodies[1]
    assert audited(site, dataset) == before


def test_a_request_for_a_foreign_dataset_costs_the_same_queries_as_one_for_an_absent_dataset(
    site: Site, dataset: str
) -> None:
    share(site, "ann", dataset, mode="organization", invited_users=["cem"])
    dora = caller(site, "dora")
    first = {}
    for dataset_id in (dataset, NOWHERE):
        site.services.snapshot.forget()
        first[dataset_id] = statements(site, dora, dataset_id)
        assert statements(site, dora, dataset_id) == []
    assert first[dataset] == first[NOWHERE] != []


def test_a_warm_call_sends_no_query_to_the_catalog(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, mode="organization", invited_users=["eve"])
    for browser in (caller(site, "ann"), caller(site, "cem"), caller(site, "eve")):
        assert statements(site, browser, dataset) != []
        assert statements(site, browser, dataset) == []


def statements(site: Site, browser: Browser, dataset_id: str) -> list[str]:
    """Return the SQL statements that reading a dataset takes."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    assert site.services.audit.flush()  # it writes in a thread of its own
    engine = site.services.catalog._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        browser.get(f"/api/v2/datasets/{dataset_id}/")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen
