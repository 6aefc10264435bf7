"""Who sends made-up requests, what they may reach, and which checks do not count where, each with its reason."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

import httpx
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import ignored_auth

from tests.conftest import PASSWORD, SMALL_EDGES, LiveServer, Person
from tests.document import openapi

if TYPE_CHECKING:
    from schemathesis.schemas import BaseSchema

Who = Literal["nobody", "user", "browser", "admin"]
EVERYBODY: Final[tuple[Who, ...]] = ("nobody", "user", "browser", "admin")
Headers = dict[str, str]
Case = schemathesis.Case[Any]  # Any: their operation of a document of any kind

NOT_EVERY_VALID_BODY_WORKS: Final = {
    "auth_log_in": "a name and password are right or wrong, 400 (protocol 1.2)",
    "auth_log_in_api_v2_auth_token_generate": "the same",
    "pages_sign_in": "the same",
    "auth_verify": "a token that does not count is 400 (protocol 1.4)",
    "flags_set_flag": "which of the four scopes go together is said in words",
    "admin_add_user": "names are normalised before they are looked at, and a password is counted in bytes too",
    "flags_add_group": "letters of a new group's name are in everyday use, and of one script in each word",
    "admin_set_password": "the current one must be right where it is sent",
    "python_run": "the source must be Python with a task, and the task must work",
    "python_run_api_v2_etl_datasets_dataset_id_python": "the same",
    "files_upload": "the bytes must be a table",
    "datasets_attach": "the same",
    "datasets_create": "its files must have bytes",
    "datasets_share": "the invited users must exist, and the dataset must belong to the caller",
}
"""Operations where the schema cannot say what will do, so that a request that it allows may be refused."""

REFUSALS: Final = ["400", "401", "403", "404", "405", "408", "409", "413", "414", "415", "422", "429", "503", "507"]
"""How a request may be refused that the document does not allow: also as too long, before anybody looks at it."""

ROOT: Final = str(Path(__file__).parents[2])


def made_up(cases: int, *phases: str) -> BaseSchema:
    """The document, set to make up ``cases`` requests of an operation in these phases: the same ones each time."""
    known = ("examples", "coverage", "fuzzing", "stateful")
    config = schemathesis.Config.from_dict(
        {
            "seed": 1,
            "suppress-health-check": ["all"],
            "cache": {"enabled": False},
            "generation": {"max-examples": cases, "deterministic": True, "no-shrink": True, "database": "none"},
            "phases": {phase: {"enabled": phase in phases} for phase in known},
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
            "operations": [
                {
                    "include-operation-id": list(NOT_EVERY_VALID_BODY_WORKS),
                    "checks": {"positive_data_acceptance": {"enabled": False}},
                }
            ],
        }
    )
    return schemathesis.openapi.from_dict(openapi(), config=config)


def tells_nothing_of_the_server(_: Any, response: schemathesis.Response, case: Case) -> None:
    """No answer names a place on the server's disk or shows a stack of its own. A task may show its own."""
    text = response.content.decode("utf-8", "replace")
    if text.startswith("{"):
        text = json.dumps(_without_tracebacks(json.loads(text)))
    told = "\n".join((text, *(f"{name}: {value}" for name, value in response.headers.items())))
    for secret in (*SECRETS, ROOT, "site-packages", "Traceback (most recent call last)"):
        assert secret not in told, f"{case.method} {case.path} tells {secret}"
    assert not re.search(r"\b(deployments|runtime|auth|catalog)/\w+(/\w+)*\.py\b", told), told


def _without_tracebacks(value: Any) -> Any:  # Any: JSON
    """Return JSON without what tasks show of themselves."""
    if isinstance(value, dict):
        return {key: _without_tracebacks(item) for key, item in value.items() if key != "traceback"}
    return [_without_tracebacks(item) for item in value] if isinstance(value, list) else value


_NOT_FOR: Final[dict[Who, list[Any]]] = {
    "nobody": [],
    "user": [],
    "browser": [ignored_auth],  # a session decides where a made-up Authorization header is no Bearer's: by design
    "admin": [],
}

SECRETS: Final[list[str]] = []
"""What else no answer may hold: where the server under test keeps its data."""


@dataclass
class People:
    """A live server's users, and things of theirs for made-up requests to find."""

    server: LiveServer
    admin: Person
    ann: Person
    key: dict[str, Any]
    session: Headers
    _made: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, server: LiveServer) -> People:
        SECRETS.append(str(server.data))
        admin = server.log_in()
        for name in ("ann", "victim"):
            added = admin.http.post("/api/v2/admin/users/", json={"username": name, "password": PASSWORD})
            assert added.status_code == 201, added.text
        flag = "/api/v2/admin/flags/flag_python_endpoint_enabled_users/"
        assert admin.http.put(flag, json={"value": True, "user": "ann"}).status_code == 200
        organization = admin.http.post("/api/v2/admin/organizations/", json={"slug": "acme"})
        assert organization.status_code == 201, organization.text
        assert admin.http.put("/api/v2/o/acme/members/ann/", json={"role": "admin"}).status_code == 200
        ann = server.log_in("ann")
        return cls(server, admin, ann, ann.http.post("/api/v2/auth/pkey/", json={}).json(), _session(server))

    def send(self, case: Case, who: Who) -> None:
        """Send the case and hold the answer to the document. Ids become those of real things."""
        self.place(case)
        case.call_and_validate(
            base_url=self.server.url,
            headers={**self.headers(case, who), **from_another_address()},
            additional_checks=[tells_nothing_of_the_server],
            excluded_checks=_NOT_FOR[who],
            allow_redirects=False,
        )

    def place(self, case: Case) -> None:
        """Put real things where the case names some; those that it deletes are its own."""
        if case.meta is None or not case.meta.is_negative_at(ParameterLocation.PATH):
            for name in case.path_parameters:
                if name in _MAKERS:
                    case.path_parameters[name] = self._thing(name)
        if case.path.startswith("/api/v2/share/") and isinstance(case.body, dict) and _is_id(case.body.get("obj_pk")):
            case.body["obj_pk"] = self._thing("dataset_id")
        if case.path == "/graph/graph.html" and "dataset" in case.query:
            case.query["dataset"] = self._thing("dataset_id")
        if case.method == "DELETE":
            self._made.clear()

    def headers(self, case: Case, who: Who) -> Headers:
        """Return credentials for this case; a case that ends a log-in gets one that was made for it."""
        if who == "nobody":
            return {}
        key = {"Authorization": f"PersonalKey {self.key['id']}:{self.key['secret']}"}
        if case.path == "/api/v2/auth/pkey/jwt":
            return key
        if case.path in ("/logout", "/api/v2/auth/logout"):
            with httpx.Client(base_url=self.server.url, trust_env=False) as http:
                token = http.get("/api/v2/auth/pkey/jwt", headers=key | from_another_address()).json()["token"]
            return {"Authorization": f"Bearer {token}"}
        if who == "browser":
            return self.session
        person = self.admin if who == "admin" else self.ann
        return {"Authorization": f"Bearer {person.token}"}

    def _thing(self, name: str) -> str:
        if name not in self._made:
            self._made[name] = _MAKERS[name](self)
        return self._made[name]


def from_another_address() -> Headers:
    """Made-up log-ins are wrong, and after a hundred from one address all its log-ins are refused for a while."""
    return {"X-Forwarded-For": ".".join(("10", *(str(secrets.randbelow(256)) for _ in range(3))))}


def _session(server: LiveServer) -> Headers:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.post("/login", json={"username": "ann", "password": PASSWORD}).status_code == 200
        cookies = dict(http.cookies)
    return {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "X-CSRFToken": cookies["csrftoken"],
    }


def _file(people: People) -> str:
    made: str = people.ann.http.post("/api/v2/files/", json={"file_type": "csv"}).json()["file_id"]
    sent = people.ann.http.post(f"/api/v2/upload/files/{made}", content=b"s,d\na,b\n")
    assert sent.status_code == 200, sent.text
    return made


def _group(people: People) -> str:
    name = f"group-{uuid4().hex[:8]}"
    assert people.admin.http.post("/api/v2/admin/groups/", json={"name": name}).status_code == 201
    return name


def _key(people: People) -> str:
    made = people.ann.http.post("/api/v2/auth/pkey/", json={})
    if made.status_code == 403:  # as many as one may have
        for key in people.ann.http.get("/api/v2/auth/pkey/").json()["results"]:
            if key["id"] != people.key["id"]:
                people.ann.http.delete(f"/api/v2/auth/pkey/{key['id']}/")
        made = people.ann.http.post("/api/v2/auth/pkey/", json={})
    return str(made.json()["id"])


_MAKERS: Final[dict[str, Callable[[People], str]]] = {
    "dataset_id": lambda people: people.ann.upload(SMALL_EDGES),
    "file_id": _file,
    "run_id": lambda people: people.ann.run(people.ann.upload(SMALL_EDGES), "def task(g): return 1").headers[
        "X-Run-Id"
    ],
    "key_id": _key,
    "group": _group,
    "username": lambda _: "victim",
    "slug": lambda _: "acme",
}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) is not None
