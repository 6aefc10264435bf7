"""Files over HTTP without a runner: their metadata, the limit on stored bytes, and the audit (protocol 2)."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from deployments.calls.runner_client import RunnerClient
from tests.unit.http.site import Browser, Site

NOWHERE = "0" * 32


class Runners:
    """Takes the place of the runners, and reports ``stored_bytes`` as the size of each table."""

    def __init__(self, site: Site) -> None:
        self.store = site.services.store
        self.stored_bytes = 100
        self.columns: tuple[str, ...] = ("a",)
        self.parsed = 0

    async def parse(self, request: dict[str, Any], user: str) -> dict[str, Any]:
        self.parsed += 1
        return self._stored()

    async def concatenate(self, object_ids: list[str], user: str) -> dict[str, Any]:
        return self._stored()

    async def evict(self, dataset_id: str) -> None:
        pass

    def _stored(self) -> dict[str, Any]:
        object_id = uuid4().hex
        path = self.store.incoming()
        path.write_bytes(b"x")
        self.store.commit(path, object_id)
        return {
            "id": object_id,
            "byte_count": self.stored_bytes,
            "row_count": 1,
            "column_count": len(self.columns),
            "dtypes": dict.fromkeys(self.columns, "int64"),
        }


class Desk:
    """A site with the users ann and bob, and a browser for each."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        made = Site.open(data_dir, **settings)
        self.runners = Runners(made)
        self.site = Site(replace(made.services, runners=cast(RunnerClient, self.runners)))
        self.site.services.store.prepare()
        self.site.user("ann")
        self.site.user("bob")
        self.ann, self.bob = self.browser("ann"), self.browser("bob")

    def browser(self, username: str) -> Browser:
        browser = self.site.browser()
        token = self.site.services.tokens.issue(self.site.services.users.get(username))
        browser.headers["Authorization"] = f"Bearer {token}"
        return browser

    def file(self, **fields: Any) -> str:
        made = self.ann.post("/api/v2/files/", json={"file_type": "arrow", **fields})
        assert made.status_code == 201, made.text
        return str(made.json()["file_id"])

    def upload(self, file_id: str, content: bytes = b"x") -> httpx.Response:
        answer: httpx.Response = self.ann.post(f"/api/v2/upload/files/{file_id}", content=content)
        return answer

    def create(self, **body: Any) -> httpx.Response:
        answer: httpx.Response = self.ann.post("/api/v2/upload/datasets/", json={"name": "g", **body})
        return answer

    def attach(self, dataset_id: str, role: str, content: Any = b"x") -> httpx.Response:
        answer: httpx.Response = self.ann.post(f"/api/v2/upload/datasets/{dataset_id}/{role}/arrow", content=content)
        return answer

    def stored(self) -> dict[str, Any]:
        told: dict[str, Any] = self.ann.get("/api/v2/users/me/").json()["stored_bytes"]
        return told

    def objects(self) -> int:
        """Return the number of stored tables."""
        return len(list(self.site.services.store.stored()))

    def audited(self, target: str) -> list[tuple[str, str, str, dict[str, Any]]]:
        assert self.site.services.audit.flush()
        _, lines = self.site.services.audit.list(1000, 0)
        return [
            (line.actor, line.action, line.outcome, dict(line.detail)) for line in lines[::-1] if line.target == target
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, user_stored_bytes=250)
    yield made
    made.site.close()


# Metadata

CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"name": "n"}, {"name": "n"}),
    ({"description": "d", "x": 1, "file_type": "csv"}, {"description": "d"}),
    ({"parser_options": {"sep": ";"}}, {"parser_options": {"sep": ";"}}),
    ({"name": None, "parser_options": None}, {"name": None, "parser_options": {}}),
    ({"sql_transforms": []}, {}),
    ({"sql_transforms": None}, {}),
    ({}, {}),
]


@pytest.mark.parametrize(("body", "changed"), CHANGES)
def test_a_change_keeps_what_it_does_not_name(desk: Desk, body: dict[str, Any], changed: dict[str, Any]) -> None:
    file_id = desk.file(name="first", description="before", parser_options={"sep": "|"})
    before = desk.ann.get(f"/api/v2/files/{file_id}").json()
    answer = desk.ann.patch(f"/api/v2/files/{file_id}/", json=body)
    assert answer.status_code == 200, answer.text
    after = desk.ann.get(f"/api/v2/files/{file_id}").json()
    assert after == answer.json()
    assert after | {"updated_at": 0} == before | changed | {"updated_at": 0}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"sql_transforms": ["SELECT 1"]}, "sql_transforms"),
        ({"name": 7}, "name"),
        ({"parser_options": "sep"}, "parser_options"),
        ([], "JSON object"),
    ],
)
def test_an_invalid_change_is_refused(desk: Desk, body: Any, said: str) -> None:
    file_id = desk.file(name="first")
    before = desk.ann.get(f"/api/v2/files/{file_id}").json()
    answer = desk.ann.patch(f"/api/v2/files/{file_id}", json=body)
    assert (answer.status_code, answer.json()["type"], answer.json()["is_valid"]) == (400, "InvalidRequest", False)
    assert said in answer.json()["error"]
    assert desk.ann.get(f"/api/v2/files/{file_id}").json() == before


def test_another_users_file_cannot_be_changed_and_seems_absent(desk: Desk) -> None:
    file_id = desk.file(name="mine")
    bodies = []
    for asked in (file_id, NOWHERE):
        answer = desk.bob.patch(f"/api/v2/files/{asked}", json={"name": "theirs"})
        assert answer.status_code == 404
        bodies.append({k: str(v).replace(asked, "ID") for k, v in answer.json().items() if k != "request_id"})
    assert bodies[0] == bodies[1]
    assert desk.ann.get(f"/api/v2/files/{file_id}").json()["name"] == "mine"


def test_changed_options_apply_to_the_next_upload(desk: Desk) -> None:
    asked: list[dict[str, Any]] = []
    parse = desk.runners.parse

    async def note(request: dict[str, Any], user: str) -> dict[str, Any]:
        asked.append(request["options"])
        return await parse(request, user)

    desk.runners.parse = note  # type: ignore[method-assign]
    file_id = desk.file(file_type="csv", parser_options={"sep": "|"})
    desk.ann.patch(f"/api/v2/files/{file_id}", json={"parser_options": {"sep": ";"}})
    assert desk.upload(file_id).status_code == 200
    assert asked == [{"sep": ";"}]


# The limit on stored bytes


def assert_full(answer: httpx.Response, observed: int) -> None:
    body = answer.json()
    assert (answer.status_code, body["type"]) == (507, "StorageFull"), answer.text
    assert (body["limit_name"], body["limit"], body["observed"]) == ("stored_bytes", 250, observed)


def test_uploads_beyond_the_limit_of_a_user_are_refused_until_files_are_deleted(desk: Desk) -> None:
    first, second, third = (desk.file() for _ in range(3))
    assert desk.upload(first).status_code == 200
    assert desk.upload(second).status_code == 200
    assert desk.stored() == {"used": 200, "allowed": 250}
    refused = desk.upload(third)
    assert_full(refused, 300)
    assert refused.json()["is_valid"] is False
    assert desk.ann.get(f"/api/v2/files/{third}").json()["is_uploaded"] is False
    assert (desk.stored()["used"], desk.objects()) == (200, 2)
    assert desk.ann.delete(f"/api/v2/files/{first}").status_code == 204
    assert desk.upload(third).status_code == 200
    assert desk.bob.get("/api/v2/users/me").json()["stored_bytes"] == {"used": 0, "allowed": 250}


def test_a_dataset_of_uploaded_files_takes_no_space_unless_files_are_joined(desk: Desk) -> None:
    files = [desk.file(), desk.file()]
    assert all(desk.upload(file_id).status_code == 200 for file_id in files)
    assert desk.create(edge_files=files[:1], node_files=files[1:]).status_code == 201
    assert desk.stored()["used"] == 200
    assert_full(desk.create(edge_files=files), 300)
    assert (desk.stored()["used"], desk.objects()) == (200, 2)
    desk.runners.stored_bytes = 50
    assert desk.create(edge_files=files).status_code == 201
    assert desk.stored()["used"] == 250


def test_tables_that_follow_inline_count_too(desk: Desk) -> None:
    dataset_id = desk.create().json()["data"]["dataset_id"]
    assert desk.attach(dataset_id, "edges").status_code == 200
    desk.runners.stored_bytes = 151
    assert_full(desk.attach(dataset_id, "nodes"), 251)
    shown = desk.ann.get(f"/api/v2/datasets/{dataset_id}").json()
    assert (shown["node_count"], shown["edge_count"], desk.objects()) == (0, 1, 1)
    desk.runners.stored_bytes = 250
    assert desk.attach(dataset_id, "edges").status_code == 200
    assert (desk.stored()["used"], desk.objects()) == (250, 1)


def test_a_table_that_an_editor_attaches_counts_for_the_owner(desk: Desk) -> None:
    dataset_id = desk.create().json()["data"]["dataset_id"]
    desk.ann.post("/api/v2/share/link/", json={"obj_pk": dataset_id, "invited_users": ["bob"], "mode_action": "20"})
    assert desk.bob.post(f"/api/v2/upload/datasets/{dataset_id}/edges/arrow", content=b"x").status_code == 200
    assert desk.stored()["used"] == 100
    assert desk.bob.get("/api/v2/users/me").json()["stored_bytes"]["used"] == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("used", "announced", "observed"), [(250, None, 250), (100, 151, 251)], ids=["nothing left", "announced"]
)
async def test_an_upload_that_cannot_fit_is_refused_before_it_is_read(
    desk: Desk, used: int, announced: int | None, observed: int
) -> None:
    desk.runners.stored_bytes = used
    assert desk.upload(desk.file()).status_code == 200
    path, parsed = f"/api/v2/upload/files/{desk.file()}", desk.runners.parsed
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(announced or 10):
            read += 1
            yield b"x"

    headers = dict(desk.ann.headers) | ({} if announced is None else {"Content-Length": str(announced)})
    transport = httpx.ASGITransport(desk.ann.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as http:
        answer = await http.post(path, content=body(), headers=headers)
    assert_full(answer, observed)
    assert (read, desk.runners.parsed) == (0, parsed)


def test_text_may_be_longer_than_the_table_that_it_becomes(desk: Desk) -> None:
    assert desk.upload(desk.file(file_type="csv"), b"x" * 1000).status_code == 200
    assert_full(desk.upload(desk.file(file_type="parquet"), b"x" * 1000), 1100)


def test_without_the_setting_there_is_no_limit(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.runners.stored_bytes = 2**40
    assert desk.upload(desk.file()).status_code == 200
    assert desk.stored() == {"used": 2**40, "allowed": None}
    desk.site.close()


# The caller, and the audit


def test_the_caller_sees_their_user_and_organizations(desk: Desk) -> None:
    desk.site.services.organizations.add("lab", "The lab")
    desk.site.services.organizations.set_member("lab", "ann", "admin")
    told = desk.ann.get("/api/v2/users/me").json()
    assert told["success"] is True
    assert told["user"] == {
        "id": desk.site.services.users.get("ann").user_id,
        "username": "ann",
        "name": "",
        "email": "",
        "is_admin": False,
    }
    assert [(item["slug"], item["name"], item["role"]) for item in told["organizations"]] == [
        ("ann", "ann", "admin"),
        ("lab", "The lab", "admin"),
    ]
    assert desk.site.browser().get("/api/v2/users/me").status_code == 401


def test_uploads_and_deletions_are_audited(desk: Desk) -> None:
    file_id = desk.file(name="edges")
    desk.upload(file_id, b"12345")
    dataset_id = desk.create().json()["data"]["dataset_id"]
    desk.attach(dataset_id, "nodes")
    desk.ann.delete(f"/api/v2/files/{file_id}")
    assert desk.audited(f"file:{file_id}") == [
        ("ann", "file.create", "ok", {"file_type": "arrow"}),
        ("ann", "file.upload", "ok", {"bytes": 5, "stored_bytes": 100}),
        ("ann", "file.delete", "ok", {}),
    ]
    assert desk.audited(f"dataset:{dataset_id}") == [
        ("ann", "dataset.create", "ok", {}),
        ("ann", "dataset.attach", "ok", {"role": "nodes", "stored_bytes": 100}),
    ]
