"""What people see of the things of others: nothing, not even whether they exist."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import SMALL_EDGES, Person
from tests.wire.errors import assert_error, family_of

pytestmark = pytest.mark.e2e

NOWHERE = "0" * 32


COUNT = "def task(g): return len(g._edges)"


@pytest.fixture(scope="module")
def hal(make_user: Callable[..., Person]) -> Iterator[Person]:
    """Who owns things."""
    person = make_user(f"hal-{uuid4().hex[:8]}")
    yield person
    person.http.close()


@pytest.fixture(scope="module")
def owned(hal: Person) -> dict[str, str]:
    """Ids of one of each of hal's things."""
    dataset = hal.upload(SMALL_EDGES, name="hal's own")
    file = hal.http.post("/api/v2/files/", json={"file_type": "csv"}).json()["file_id"]
    assert hal.http.post(f"/api/v2/upload/files/{file}", content=b"s,d\na,b\n").json()["is_valid"]
    key = hal.http.post("/api/v2/auth/pkey/", json={}).json()["id"]
    ran = hal.run(dataset, COUNT)
    return {"dataset": dataset, "file": file, "key": key, "run": ran.headers["x-run-id"]}


# What somebody else might try: method, path, body. Each is tried on hal's own thing and on none.
TRIES: list[tuple[str, str, Any]] = [
    ("GET", "/api/v2/datasets/{dataset}/", None),
    ("DELETE", "/api/v2/datasets/{dataset}/", None),
    ("GET", "/api/v2/upload/datasets/{dataset}", None),
    ("POST", "/api/v2/upload/datasets/{dataset}/edges/csv", b"s,d\nx,y\n"),
    ("POST", "/api/v2/datasets/{dataset}/python", {"execute": COUNT}),
    ("POST", "/api/v2/etl/datasets/{dataset}/python", {"execute": COUNT}),
    ("POST", "/api/v2/datasets/{dataset}/python", {"execute": "def task(g): return (", "engine": "cudf"}),
    ("POST", "/api/v2/share/link/", {"obj_pk": "{dataset}", "mode": "public"}),
    ("GET", "/api/v2/share/link/{dataset}", None),
    ("GET", "/graph/graph.html?dataset={dataset}", None),
    ("GET", "/api/v2/files/{file}", None),
    ("PATCH", "/api/v2/files/{file}", {"name": "mine"}),
    ("DELETE", "/api/v2/files/{file}", None),
    ("POST", "/api/v2/upload/files/{file}", b"s,d\nx,y\n"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": ["{file}"]}),
    ("DELETE", "/api/v2/auth/pkey/{key}", None),
    ("GET", "/api/v2/runs/{run}", None),
    ("POST", "/api/v2/runs/{run}/cancel", None),
]


def attempt(person: Person, method: str, path: str, body: Any, ids: dict[str, str]) -> httpx.Response:
    person.http.cookies.clear()  # a client without a csrftoken is given one
    content = body if body is None or isinstance(body, bytes) else json.dumps(body)
    for kind, identifier in ids.items():
        path = path.replace(f"{{{kind}}}", identifier)
        content = content.replace(f"{{{kind}}}", identifier) if isinstance(content, str) else content
    return person.http.request(method, path, content=content)


@pytest.mark.claim(35)
@pytest.mark.parametrize(("method", "path", "body"), TRIES, ids=[f"{row[0]} {row[1]}" for row in TRIES])
def test_an_object_of_another_user_is_404_with_the_body_of_an_absent_object(
    hal: Person, bob: Person, owned: dict[str, str], method: str, path: str, body: Any
) -> None:
    answers = [attempt(bob, method, path, body, ids) for ids in (owned, dict.fromkeys(owned, NOWHERE))]
    told = []
    for answer, ids in zip(answers, (owned, dict.fromkeys(owned, NOWHERE)), strict=True):
        assert answer.status_code == 404, answer.text
        if "{dataset}" in path and answer.headers["content-type"] == "application/json":
            assert_error(answer, 404, "NotFound", family_of(path))
        text = answer.text.replace(answer.headers["x-request-id"], "")
        text = re.sub(
            r'name="csrfmiddlewaretoken" value="\w+"', "", text
        )  # of the form that signs out; never twice the same
        for identifier in ids.values():
            text = text.replace(identifier, "ID")
        told.append((text, sorted(set(answer.headers) - {"date"})))
    assert told[0] == told[1]
    assert hal.run(owned["dataset"], COUNT).json() == 3  # and nothing has happened to it


@pytest.mark.claim(35)
def test_nobody_lists_or_finds_objects_of_others(hal: Person, bob: Person, owned: dict[str, str]) -> None:
    own, others = (
        json.dumps([person.http.get(path).json() for path in (
            "/api/v2/datasets/?limit=1000", "/api/v2/datasets/?search=hal", "/api/v2/files/?limit=1000",
            "/api/v2/auth/pkey/", f"/api/v2/datasets/?search={owned['dataset']}",
        )])
        for person in (hal, bob)
    )  # fmt: skip
    for kind in ("dataset", "file", "key"):
        assert owned[kind] in own
        assert owned[kind] not in others
    assert "hal" not in others


@pytest.mark.claim(35)
def test_nobody_lists_the_runs_of_others(hal: Person, bob: Person, owned: dict[str, str]) -> None:
    assert owned["run"] in hal.http.get("/api/v2/runs").text
    for query in ("", f"?dataset_id={owned['dataset']}"):
        assert owned["run"] not in bob.http.get(f"/api/v2/runs{query}").text


@pytest.mark.claim(35)
def test_ids_cannot_be_guessed(hal: Person) -> None:
    """Each id has 32 hexadecimal digits, and no id follows from an earlier one."""
    ids = [hal.http.post("/api/v2/files/", json={"file_type": "csv"}).json()["file_id"] for _ in range(20)]
    ids += [hal.http.post("/api/v2/upload/datasets/", json={}).json()["data"]["dataset_id"] for _ in range(20)]
    assert all(re.fullmatch("[0-9a-f]{32}", identifier) for identifier in ids)
    changed = [bin(int(one, 16) ^ int(next_, 16)).count("1") for one, next_ in pairwise(ids)]
    assert min(changed) > 30  # of 128 bits 64 change where they are random; a counter or a clock changes few


@pytest.mark.claim(35)
@pytest.mark.soak
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        row
        for row in TRIES
        if row[1] in ("/api/v2/datasets/{dataset}/", "/api/v2/datasets/{dataset}/python")
        and row[2] in (None, {"execute": COUNT})
    ],
    ids=["read", "delete", "run"],
)
def test_the_answer_takes_as_long_as_for_an_absent_object(
    hal: Person, bob: Person, method: str, path: str, body: Any
) -> None:
    """Each id is asked for once, as one who guesses does; the two kinds in turn, and their medians within a tenth."""
    created = [hal.http.post("/api/v2/upload/datasets/", json={}).json()["data"]["dataset_id"] for _ in range(200)]
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn, existing in enumerate(created):
        for exists in (turn % 2 == 0, turn % 2 != 0):
            identifier = existing if exists else uuid4().hex
            answer = attempt(bob, method, path, body, {"dataset": identifier})
            assert answer.status_code == 404
            taken[exists].append(answer.elapsed.total_seconds() * 1000)
    assert median(taken[True]) == pytest.approx(median(taken[False]), rel=0.1)
