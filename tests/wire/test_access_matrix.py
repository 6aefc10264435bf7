"""Every route of datasets, files and runs x every way to share x everybody who may come, against the live server.

A row of ``MATRIX`` is what a route answers when it is asked for one dataset of the owner's that is shared in one way;
a column is who asks. A new route is a line in ``ASK`` and a row for each mode.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import PASSWORD, SMALL_EDGES, arrow_file
from tests.waiting import WITHIN_S
from tests.wire.conftest import new_client

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

EDGES = arrow_file(SMALL_EDGES)
COUNT = "def task(g): return len(g._edges)"

SHARED: dict[str, dict[str, Any]] = {
    "private": {"mode": "private", "mode_action": "30"},
    "organization": {"mode": "organization", "mode_action": "10"},
    "org edits": {"mode": "organization", "mode_action": "20"},
    "org shares": {"mode": "organization", "mode_action": "30"},
    "public": {"mode": "public", "mode_action": "30"},
}
"""How a dataset is shared. In each mode ``viewer``, ``editor`` and ``sharer`` are invited too, with 10, 20 and 30."""

MATRIX = """
who asks:                      owner viewer editor sharer colleague stranger admin nobody

describe       private           200    200    200    200       404      404   404    401
describe       organization      200    200    200    200       200      404   404    401
describe       org edits         200    200    200    200       200      404   404    401
describe       org shares        200    200    200    200       200      404   404    401
describe       public            200    200    200    200       200      200   200    401

get            private           200    200    200    200       404      404   404    401
get            organization      200    200    200    200       200      404   404    401
get            org edits         200    200    200    200       200      404   404    401
get            org shares        200    200    200    200       200      404   404    401
get            public            200    200    200    200       200      200   200    401

in the list    private           200    200    200    200       404      404   404    401
in the list    organization      200    200    200    200       200      404   404    401
in the list    org edits         200    200    200    200       200      404   404    401
in the list    org shares        200    200    200    200       200      404   404    401
in the list    public            200    200    200    200       404      404   404    401

run            private           200    200    200    200       404      404   404    401
run            organization      200    200    200    200       200      404   404    401
run            org edits         200    200    200    200       200      404   404    401
run            org shares        200    200    200    200       200      404   404    401
run            public            200    200    200    200       200      200   200    401

run, etl path  private           200    200    200    200       404      404   404    401
run, etl path  organization      200    200    200    200       200      404   404    401
run, etl path  org edits         200    200    200    200       200      404   404    401
run, etl path  org shares        200    200    200    200       200      404   404    401
run, etl path  public            200    200    200    200       200      200   200    401

on the page    private           200    200    200    200       404      404   404    404
on the page    organization      200    200    200    200       200      404   404    404
on the page    org edits         200    200    200    200       200      404   404    404
on the page    org shares        200    200    200    200       200      404   404    404
on the page    public            200    200    200    200       200      200   200    200

attach         private           200    403    200    200       404      404   404    401
attach         organization      200    403    200    200       403      404   404    401
attach         org edits         200    403    200    200       200      404   404    401
attach         org shares        200    403    200    200       200      404   404    401
attach         public            200    403    200    200       403      403   403    401

read sharing   private           200    403    403    200       404      404   404    401
read sharing   organization      200    403    403    200       403      404   404    401
read sharing   org edits         200    403    403    200       403      404   404    401
read sharing   org shares        200    403    403    200       200      404   404    401
read sharing   public            200    403    403    200       403      403   403    401

set sharing    private           200    403    403    200       404      404   404    401
set sharing    organization      200    403    403    200       403      404   404    401
set sharing    org edits         200    403    403    200       403      404   404    401
set sharing    org shares        200    403    403    200       200      404   404    401
set sharing    public            200    403    403    200       403      403   403    401

delete         private           204    403    403    403       404      404   404    401
delete         organization      204    403    403    403       403      404   404    401
delete         org edits         204    403    403    403       403      404   404    401
delete         org shares        204    403    403    403       403      404   404    401
delete         public            204    403    403    403       403      403   403    401

get file       any               200    404    404    404       404      404   404    401
list files     any               200    404    404    404       404      404   404    401
change file    any               200    404    404    404       404      404   404    401
upload file    any               200    404    404    404       404      404   404    401
use file       any               201    404    404    404       404      404   404    401
delete file    any               204    404    404    404       404      404   404    401

get run        any               200    404    404    404       404      404   404    401
list runs      any               200    404    404    404       404      404   404    401
cancel run     any               200    404    404    404       404      404   404    401
"""
"""``in the list``, ``list files``, ``list runs`` and ``on the page``: 200 where it is named there, else 404. ``nobody``
is not signed in. A file, or a run, stays its owner's alone, however the dataset is shared."""


@dataclass(frozen=True)
class Thing:
    """What is asked for: a dataset, one of its files, or a run of its owner's on it."""

    dataset_id: str
    file_id: str
    run_id: str
    share: dict[str, Any]


Ask = Callable[[httpx.Client, Thing], int]


def named(answer: httpx.Response, text: str) -> int:
    """The status, and 404 where the text is not in an answer that is fine."""
    return answer.status_code if not answer.is_success or text in answer.text else 404


ASK: dict[str, Ask] = {
    "describe": lambda http, it: http.get(f"/api/v2/upload/datasets/{it.dataset_id}").status_code,
    "get": lambda http, it: http.get(f"/api/v2/datasets/{it.dataset_id}/").status_code,
    "in the list": lambda http, it: named(http.get("/api/v2/datasets/?limit=1000"), f'"{it.dataset_id}"'),
    "run": lambda http, it: run(http, f"/api/v2/datasets/{it.dataset_id}/python"),
    "run, etl path": lambda http, it: run(http, f"/api/v2/etl/datasets/{it.dataset_id}/python"),
    "on the page": lambda http, it: named(http.get(f"/graph/graph.html?dataset={it.dataset_id}"), "python_remote"),
    "attach": lambda http, it: (
        http.post(f"/api/v2/upload/datasets/{it.dataset_id}/edges/arrow", content=EDGES).status_code
    ),
    "read sharing": lambda http, it: http.get(f"/api/v2/share/link/{it.dataset_id}/").status_code,
    "set sharing": lambda http, it: http.post("/api/v2/share/link/", json=it.share).status_code,
    "delete": lambda http, it: http.delete(f"/api/v2/datasets/{it.dataset_id}/").status_code,
    "get file": lambda http, it: http.get(f"/api/v2/files/{it.file_id}").status_code,
    "list files": lambda http, it: named(http.get("/api/v2/files/?limit=1000"), f'"{it.file_id}"'),
    "change file": lambda http, it: http.patch(f"/api/v2/files/{it.file_id}", json={"name": "n"}).status_code,
    "upload file": lambda http, it: http.post(f"/api/v2/upload/files/{it.file_id}", content=EDGES).status_code,
    "use file": lambda http, it: http.post("/api/v2/upload/datasets/", json={"edge_files": [it.file_id]}).status_code,
    "get run": lambda http, it: http.get(f"/api/v2/runs/{it.run_id}").status_code,
    "list runs": lambda http, it: named(http.get("/api/v2/runs/?limit=1000"), f'"{it.run_id}"'),
    "cancel run": lambda http, it: http.post(f"/api/v2/runs/{it.run_id}/cancel").status_code,
    "delete file": lambda http, it: http.delete(f"/api/v2/files/{it.file_id}").status_code,
}


def run(http: httpx.Client, path: str) -> int:
    answer = http.post(path, json={"execute": COUNT, "engine": "pandas"})
    assert not answer.is_success or answer.json() == 3
    return answer.status_code


def read_matrix() -> tuple[list[str], dict[tuple[str, str], list[int]]]:
    """Who asks, and what each row says. A row has two names, in columns of a fixed width."""
    head, *lines = [line for line in MATRIX.splitlines() if line]
    rows = {(line[:15].strip(), line[15:28].strip()): [int(word) for word in line[28:].split()] for line in lines}
    return head.partition(":")[2].split(), rows


PEOPLE, ROWS = read_matrix()


@dataclass
class Circle:
    """The owner's lab, and a shop to which the stranger belongs; everybody may run Python."""

    http: dict[str, httpx.Client]
    names: dict[str, str]
    lab: str

    def thing(self, mode: str) -> Thing:
        """A new dataset of a new file of the owner's, shared in this way."""
        http = self.http["owner"]
        file_id = http.post("/api/v2/files/", json={"file_type": "arrow"}).json()["file_id"]
        assert http.post(f"/api/v2/upload/files/{file_id}", content=EDGES).status_code == 200
        bindings = {"bindings": {"source": "s", "destination": "d"}}
        body = {"edge_files": [file_id], "edge_encodings": bindings, "name": mode, "org_name": self.lab}
        dataset_id = http.post("/api/v2/upload/datasets/", json=body).json()["data"]["dataset_id"]
        invited = [
            {"email": self.names[name], "action": action}
            for name, action in (("viewer", "10"), ("editor", "20"), ("sharer", "30"))
        ]
        share = {**SHARED.get(mode, SHARED["public"]), "obj_pk": dataset_id, "invited_users": invited}
        answer = http.post("/api/v2/share/link/", json=share)
        assert answer.status_code == 200, answer.text
        ran = http.post(f"/api/v2/datasets/{dataset_id}/python", json={"execute": COUNT, "engine": "pandas"})
        return Thing(dataset_id, file_id, ran.headers["X-Run-Id"], share)


@pytest.fixture(scope="module")
def circle(server: LiveServer, admin: Person, make_user: Callable[..., Person]) -> Iterator[Circle]:
    made = uuid4().hex[:8]
    people = {name: make_user(f"{name}-{made}") for name in PEOPLE if name not in ("admin", "nobody")}
    for slug, members in ((f"lab-{made}", ("owner", "colleague")), (f"shop-{made}", ("stranger",))):
        assert admin.http.post("/api/v2/admin/organizations/", json={"slug": slug}).status_code == 201
        for name in members:
            member = f"/api/v2/o/{slug}/members/{people[name].username}/"
            assert admin.http.put(member, json={"role": "admin"}).is_success
    with httpx.Client(base_url=server.url, timeout=WITHIN_S, trust_env=False) as nobody:
        http = {name: person.http for name, person in people.items()} | {"admin": admin.http, "nobody": nobody}
        yield Circle(http, {name: person.username for name, person in people.items()}, f"lab-{made}")
    for person in people.values():
        person.http.close()


def test_every_route_is_asked_in_every_mode() -> None:
    of_others = {(ask, "any") for ask in ASK if ask.endswith((" file", " files", " run", " runs"))}
    of_datasets = {(ask, mode) for ask in ASK if (ask, "any") not in of_others for mode in SHARED}
    assert set(ROWS) == of_datasets | of_others
    assert all(len(statuses) == len(PEOPLE) for statuses in ROWS.values())


def daily(route: str, mode: str) -> bool:
    """All modes of routes that ask who may edit or share, and enough of the others to show that they ask at all.

    ``tests/unit/datasets/test_shares.py`` shows what each mode opens.
    """
    if route == "run, etl path":
        return mode == "public"
    return mode in ("any", "private", "org edits", "public") or route in ("attach", "read sharing", "set sharing")


@pytest.mark.parametrize(
    ("route", "mode"),
    [pytest.param(*row, id=": ".join(row), marks=() if daily(*row) else pytest.mark.soak) for row in ROWS],
)
def test_each_caller_may_do_what_the_table_allows(circle: Circle, route: str, mode: str) -> None:
    expected = dict(zip(PEOPLE, ROWS[route, mode], strict=True))
    thing = circle.thing(mode)
    # The owner comes last, because an owner's requests delete some objects.
    answered = {name: ASK[route](circle.http[name], thing) for name in reversed(PEOPLE)}
    assert {name: answered[name] for name in PEOPLE} == expected


UNTOLD = [
    ("GET", "/api/v2/datasets/{id}/", None),
    ("GET", "/api/v2/upload/datasets/{id}", None),
    ("POST", "/api/v2/upload/datasets/{id}/edges/arrow", EDGES),
    ("POST", "/api/v2/datasets/{id}/python", {"execute": COUNT}),
    ("POST", "/api/v2/share/link/", {"obj_pk": "{id}"}),
    ("GET", "/api/v2/share/link/{id}/", None),
    ("DELETE", "/api/v2/datasets/{id}/", None),
]


@pytest.mark.parametrize(("method", "path", "body"), UNTOLD, ids=[f"{row[0]} {row[1]}" for row in UNTOLD])
def test_a_dataset_that_the_caller_may_not_read_looks_absent(circle: Circle, method: str, path: str, body: Any) -> None:
    bodies = []
    for dataset_id in (circle.thing("org shares").dataset_id, uuid4().hex):
        content = body if isinstance(body, bytes | None) else json.dumps(body).replace("{id}", dataset_id).encode()
        answer = circle.http["stranger"].request(method, path.format(id=dataset_id), content=content)
        assert answer.status_code == 404
        told = answer.json()
        bodies.append(json.dumps({**told, "request_id": ""}).replace(dataset_id, "ID"))
    assert bodies[0] == bodies[1]


# With the real client


def signed_in(server: LiveServer, username: str) -> Any:
    client = new_client()
    address = server.url.removeprefix("http://")
    client.register(api=3, protocol="http", server=address, username=username, password=PASSWORD)
    return client


def test_pygraphistry_plots_for_the_users_whom_its_privacy_names(
    server: LiveServer, admin: Person, circle: Circle
) -> None:
    friend = f"friend-{uuid4().hex[:8]}"
    email = f"{friend}@Example.org"
    made = admin.http.post("/api/v2/admin/users/", json={"username": friend, "password": PASSWORD, "email": email})
    assert made.status_code == 201, made.text
    flag = {"user": friend, "value": True}
    assert admin.http.put("/api/v2/admin/flags/flag_python_endpoint_enabled_users/", json=flag).is_success
    owner, invited, other = (
        signed_in(server, name) for name in (circle.names["owner"], friend, circle.names["colleague"])
    )
    owner.privacy(mode="private", invited_users=[{"email": email.lower(), "action": "10"}], message="look")
    graph = owner.edges(SMALL_EDGES.to_pandas(), "s", "d").name("shared")
    for plotted in (graph.plot(render="g", as_files=False), graph.upload()):
        dataset_id = plotted._dataset_id
        found = invited.from_dataset_id(dataset_id)
        assert (found._source, found._destination, found._name) == ("s", "d", "shared")
        assert found.python_remote_json(COUNT, engine="pandas") == 3
        assert invited.bind(dataset_id=dataset_id).python_remote_json(COUNT, engine="pandas") == 3
        with pytest.raises(ValueError, match="404"):
            other.from_dataset_id(dataset_id)
    owner.privacy(mode="organization", mode_action="10", invited_users=[])
    dataset_id = graph.name("for the lab").plot(render="g")._dataset_id
    assert other.bind(dataset_id=dataset_id).python_remote_json(COUNT, engine="pandas") == 3
    with pytest.raises(ValueError, match="404"):
        invited.from_dataset_id(dataset_id)
