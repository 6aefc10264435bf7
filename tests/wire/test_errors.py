"""Every refusal: its status, its type, one shape, the keys that clients of the route read, and nothing of the server's.

One row a mistake. What a body must never hold is checked on every row (``assert_error``).
"""

from __future__ import annotations

import json
import socket
import textwrap
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

REPOSITORY = str(Path(__file__).parents[2])
NOWHERE = "0" * 32

# Keys beside error, type and request_id, by what the path is about (protocol 0.3).
FAMILIES = {
    "auth": {"non_field_errors"},
    "files": {"is_valid", "is_uploaded", "errors"},
    "datasets": {"success", "message"},
    "organisations": {"status", "message"},
}


def assert_error(answer: httpx.Response, status: int, kind: str, family: str = "datasets") -> dict[str, Any]:
    """The body of ``answer``, once it is an error of this status and type in the one shape of all errors."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    body: dict[str, Any] = answer.json()
    assert body["type"] == kind, body
    assert isinstance(body["error"], str)
    assert body["error"]
    assert set(answer.headers.get_list("x-request-id")) == {body["request_id"]}
    assert FAMILIES[family] <= body.keys()
    told = json.dumps({**body, "traceback": body.get("traceback", "").replace("Traceback (most recent call last)", "")})
    for ours in ("site-packages", REPOSITORY, "runtime/", "deployments/", "Traceback", ".venv", "catalog.sqlite"):
        assert ours not in told
    return body


def test_a_response_has_one_request_id(alice: Person, people: str) -> None:
    for answer in (alice.http.get("/healthz"), alice.run(people, PLAIN), alice.run(people, "")):
        assert len(answer.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("asked", ["trace-1", "a.b_c-1"])
def test_a_request_id_of_the_callers_is_kept(alice: Person, asked: str) -> None:
    answer = alice.http.get("/no/such/page", headers={"X-Request-Id": asked})
    assert assert_error(answer, 404, "NotFound")["request_id"] == asked


# What is refused before anything runs

PLAIN = "def task(g): return 1"
RUN_BODIES = [
    ("no body", b""),
    ("half a body", b'{"execute": '),
    ("not UTF-8", b'{"execute": "\xff"}'),
    ("a list", b"[]"),
    ("a string", b'"def task(g): return 1"'),
    ("no source", b"{}"),
    ("source is null", b'{"execute": null}'),
    ("source is a list", b'{"execute": ["def task(g): return 1"]}'),
    ("NaN is not JSON", b'{"execute": "def task(g): return 1", "timeout_s": NaN}'),
]


@pytest.mark.parametrize("content", [row[1] for row in RUN_BODIES], ids=[row[0] for row in RUN_BODIES])
def test_a_body_that_is_no_request_to_run(alice: Person, people: str, content: bytes) -> None:
    assert_error(alice.http.post(f"/api/v2/datasets/{people}/python", content=content), 400, "InvalidRequest")


RUN_FIELDS: list[tuple[str, Any]] = [
    ("engine", "spark"),
    ("engine", 1),
    ("format", "xml"),
    ("format", None),
    ("output_type", "graph"),
    ("timeout_s", 0),
    ("timeout_s", -1),
    ("timeout_s", "5"),
    ("timeout_s", True),
    ("timeout_s", 1e9),
    ("memory_bytes", 0),
    ("memory_bytes", 1.5),
    ("memory_bytes", 2**70),
    ("scratch_bytes", -1),
    ("scratch_bytes", 2**40),
    ("result_bytes", 0),
    ("result_bytes", 2**40),
    ("result_bytes", "1MB"),
    ("execute", "#" * (1024 * 1024 + 1)),
]


@pytest.mark.parametrize(("field", "value"), RUN_FIELDS, ids=[f"{name}={str(value)[:9]}" for name, value in RUN_FIELDS])
def test_a_field_that_is_wrong_is_named(alice: Person, people: str, field: str, value: object) -> None:
    body = {"execute": PLAIN, field: value}
    answer = alice.http.post(f"/api/v2/datasets/{people}/python", content=json.dumps(body))
    assert field in assert_error(answer, 400, "InvalidRequest")["error"]


def test_fields_that_nobody_knows_are_ignored(alice: Person, people: str) -> None:
    assert alice.run(people, PLAIN, colour="red", run_label=None).json() == 1


def test_an_engine_that_is_not_here_is_unavailable(alice: Person, people: str) -> None:
    body = assert_error(alice.run(people, PLAIN, engine="cudf"), 422, "EngineUnavailable")
    assert body["engine"] == "cudf"
    assert '"engine": "pandas"' in body["error"]


SOURCES = [
    ("nothing", "", 1, None, "no function named task"),
    ("blanks", "   \n\t\n", 1, None, "no function named task"),
    ("no task", "def other(g):\n    return 1", 1, None, "no function named task"),
    ("task inside", "class A:\n    def task(g): return 1", 1, None, "no function named task"),
    ("task is a number", "x = 1\ntask = 3", 1, None, "of type int"),
    ("no parameter", "import os\ndef task(): return 1", 2, "def task(): return 1", "exactly one argument"),
    ("two parameters", "\n\ndef task(g, h):\n    pass", 3, "def task(g, h):", "task(g, h)"),
    ("keyword only", "def task(*, g): return 1", 1, "def task(*, g): return 1", "exactly one argument"),
    ("async", "async def task(g): return 1", 1, "async def task(g): return 1", "asyncio.run"),
]


@pytest.mark.parametrize(
    ("source", "line", "text", "said"), [row[1:] for row in SOURCES], ids=[row[0] for row in SOURCES]
)
def test_source_without_a_task_is_refused(
    alice: Person, people: str, source: str, line: int, text: str | None, said: str
) -> None:
    body = assert_error(alice.run(people, source), 400, "InvalidSource")
    assert said in body["error"]
    assert body["line"] == line
    if text is not None:
        assert body["text"] == text


SYNTAX = [
    ("open bracket", "def task(g):\n    return (1,\n", 2, 12, "    return (1,"),
    ("missing colon", "x = 1\ndef task(g)\n    return 1", 2, 12, "def task(g)"),
    ("bad indent", "def task(g):\n    x = 1\n      y = 2\n", 3, 6, "      y = 2"),
    ("open string", "def task(g):\n    return 'abc\n", 2, 12, "    return 'abc"),
    ("return outside", "return 1", 1, 1, "return 1"),
    ("NUL", "def task(g): return 1\0", 1, 22, "def task(g): return 1\0"),
    ("indented by the client", "    \n    def task(g):\n        return )\n", 3, 12, "    return )"),
]


@pytest.mark.parametrize(
    ("source", "line", "column", "text"), [row[1:] for row in SYNTAX], ids=[row[0] for row in SYNTAX]
)
def test_source_that_does_not_compile_is_shown_where(
    alice: Person, people: str, source: str, line: int, column: int, text: str
) -> None:
    body = assert_error(alice.run(people, source), 400, "InvalidSource")
    assert (body["line"], body["column"], body["text"]) == (line, column, text)
    assert body["exception_type"] in ("SyntaxError", "IndentationError")


# What a task's own failure tells


def test_a_traceback_has_the_lines_that_the_user_wrote(alice: Person, people: str) -> None:
    source = textwrap.dedent("""\
        import sys

        def share(part, whole):
            return part / whole

        def task(g):
            print("so far")
            print("so bad", file=sys.stderr)
            return share(1, 0)
        """)
    indented = "\n".join("    " + line for line in source.split("\n"))  # as PyGraphistry sends it
    for sent in (source, indented):
        body = assert_error(alice.run(people, sent), 422, "TaskError")
        assert body["error"] == "ZeroDivisionError: division by zero"
        assert (body["exception_type"], body["exception_message"]) == ("ZeroDivisionError", "division by zero")
        assert body["frames"] == [
            {"line": 9, "function": "task", "source": "return share(1, 0)"},
            {"line": 4, "function": "share", "source": "return part / whole"},
        ]
        assert body["traceback"].splitlines() == [
            "Traceback (most recent call last):",
            '  File "<task>", line 9, in task',
            "    return share(1, 0)",
            "           ^^^^^^^^^^^",
            '  File "<task>", line 4, in share',
            "    return part / whole",
            "           ^^^^^^^^^^^^",
            "ZeroDivisionError: division by zero",
        ]
        assert (body["stdout"], body["stderr"]) == ("so far\n", "so bad\n")
        assert (body["stdout_truncated"], body["stderr_truncated"]) == (False, False)


FAILURES = [
    ("library", "def task(g): return g._edges['nope']", "KeyError", "'nope'"),
    ("top level", "raise LookupError('top')\ndef task(g): return 1", "LookupError", "top"),
    ("import", "import no_such_module\ndef task(g): return 1", "ModuleNotFoundError", "no_such_module"),
    ("exit", "import sys\ndef task(g): sys.exit(3)", "SystemExit", "3"),
    ("interrupt", "def task(g): raise KeyboardInterrupt", "KeyboardInterrupt", ""),
    ("own class", "class Odd(Exception): pass\ndef task(g): raise Odd('so')", "Odd", "so"),
    ("input", "def task(g): return input()", "EOFError", ""),
    ("recursion", "def task(g): return task(g)", "RecursionError", "recursion depth"),
    ("group", "def task(g): raise ExceptionGroup('both', [ValueError('a')])", "ExceptionGroup", "both"),
    ("no text", "class E(Exception):\n    def __str__(self): 1 / 0\ndef task(g): raise E", "E", ""),
    ("graphistry", "def task(g): return g.hop(hops='x')", None, ""),
    (
        "warning as error",
        "import warnings\ndef task(g):\n    warnings.simplefilter('error')\n    warnings.warn('w')",
        "UserWarning",
        "w",
    ),
]


@pytest.mark.parametrize(
    ("source", "exception_type", "said"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
def test_whatever_a_task_raises_is_told(
    alice: Person, people: str, source: str, exception_type: str | None, said: str
) -> None:
    body = assert_error(alice.run(people, source), 422, "TaskError")
    assert exception_type in (None, body["exception_type"])
    assert said in body["exception_message"]
    assert body["frames"]
    assert body["run_id"]


def test_the_cause_of_an_exception_is_part_of_its_traceback(alice: Person, people: str) -> None:
    source = """
        def task(g):
            try:
                1 / 0
            except ArithmeticError as error:
                raise ValueError("no") from error
    """
    traceback = assert_error(alice.run(people, source), 422, "TaskError")["traceback"]
    assert "direct cause" in traceback
    assert traceback.index("ZeroDivisionError") < traceback.index("ValueError: no")


def test_output_is_returned_with_every_kind_of_failure(alice: Person, people: str) -> None:
    for source, fields, kind in (
        ("print('seen')\ndef task(g): return object()", {}, "ResultNotSerializable"),
        ("print('seen')\ndef task(g):\n    while True: pass", {"timeout_s": 0.5}, "TaskTimeout"),
        ("import os\nprint('seen')\ndef task(g): os.abort()", {}, "TaskCrashed"),
        ("print('seen')\ndef task(g): return 'x' * 5000", {"result_bytes": 1000}, "ResultTooLarge"),
    ):
        assert assert_error(alice.run(people, source, **fields), 422, kind)["stdout"] == "seen\n"


# The other routes, one mistake a row: method, path, body (JSON unless bytes), status, type, family

MISTAKES: list[tuple[str, str, Any, int, str, str]] = [
    ("POST", "/api-token-auth/", {}, 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-auth/", b"{", 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-auth/", {"username": "x", "password": "y"}, 400, "InvalidCredentials", "auth"),
    ("POST", "/api-token-auth/", {"username": "x", "password": 1}, 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-auth/", {"username": "\0", "password": "\ud83d\ude00" * 9}, 400, "InvalidCredentials", "auth"),
    ("POST", "/api/v2/auth/token/generate", {"username": "x", "password": "y"}, 400, "InvalidCredentials", "auth"),
    ("POST", "/api/v2/auth/token/refresh", {"token": "a.b.c"}, 401, "Unauthenticated", "auth"),
    ("POST", "/api/v2/auth/token/refresh", {}, 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-refresh/", {"token": ""}, 401, "Unauthenticated", "auth"),
    ("POST", "/api-token-verify/", {"token": "a.b.c"}, 400, "InvalidRequest", "auth"),
    ("POST", "/api/v2/o/others/switch/", None, 404, "NotFound", "organisations"),
    ("POST", "/api/v2/files/", {}, 400, "InvalidRequest", "files"),
    ("POST", "/api/v2/files/", {"file_type": "exe"}, 400, "InvalidRequest", "files"),
    ("POST", "/api/v2/files/", {"file_type": "csv", "sql_transforms": ["x"]}, 400, "InvalidRequest", "files"),
    ("POST", "/api/v2/files/", b"file_type=csv", 400, "InvalidRequest", "files"),
    ("GET", "/api/v2/files/?limit=many", None, 400, "InvalidRequest", "files"),
    ("GET", f"/api/v2/files/{NOWHERE}", None, 404, "NotFound", "files"),
    ("DELETE", f"/api/v2/files/{NOWHERE}", None, 404, "NotFound", "files"),
    ("PATCH", f"/api/v2/files/{NOWHERE}", {"name": "n"}, 404, "NotFound", "files"),
    ("POST", f"/api/v2/upload/files/{NOWHERE}?erase=true", b"ARROW1", 404, "NotFound", "files"),
    ("POST", "/api/v2/upload/datasets/", {"node_encodings": 3}, 400, "InvalidRequest", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [NOWHERE]}, 404, "NotFound", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [[NOWHERE, 0]]}, 404, "NotFound", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [{}]}, 400, "InvalidRequest", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [[NOWHERE, 7]]}, 400, "InvalidRequest", "datasets"),
    ("POST", "/api/v2/upload/datasets/", b"[]", 400, "InvalidRequest", "datasets"),
    ("POST", f"/api/v2/upload/datasets/{NOWHERE}/edges/arrow", b"", 404, "NotFound", "datasets"),
    ("GET", f"/api/v2/upload/datasets/{NOWHERE}", None, 404, "NotFound", "datasets"),
    ("GET", f"/api/v2/datasets/{NOWHERE}/", None, 404, "NotFound", "datasets"),
    ("GET", "/api/v2/datasets/../../etc/passwd", None, 404, "NotFound", "datasets"),
    ("GET", "/api/v2/datasets/?offset=-1", None, 400, "InvalidRequest", "datasets"),
    ("GET", "/api/v2/datasets/?limit=99999999999999999999", None, 400, "InvalidRequest", "datasets"),
    ("DELETE", f"/api/v2/datasets/{NOWHERE}/", None, 404, "NotFound", "datasets"),
    ("POST", f"/api/v2/datasets/{NOWHERE}/python", {"execute": PLAIN}, 404, "NotFound", "datasets"),
    ("GET", f"/api/v2/datasets/{NOWHERE}/python", None, 405, "MethodNotAllowed", "datasets"),
    ("POST", "/api/v2/share/link/", {"obj_pk": NOWHERE}, 404, "NotFound", "organisations"),
    ("POST", "/api/v2/share/link/", {}, 400, "InvalidRequest", "organisations"),
    ("GET", f"/api/v2/share/link/{NOWHERE}", None, 404, "NotFound", "organisations"),
    ("POST", "/api/v2/upload/datasets/", {"org_name": "nowhere"}, 404, "NotFound", "datasets"),
    ("GET", "/api/v2/admin/users/", None, 403, "Forbidden", "datasets"),
    ("PUT", "/api/v2/admin/flags/x/", {"value": True}, 403, "Forbidden", "datasets"),
    ("GET", "/no/such/page", None, 404, "NotFound", "datasets"),
    ("PATCH", "/api-token-auth/", None, 405, "MethodNotAllowed", "auth"),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "family"), MISTAKES, ids=[f"{row[0]} {row[1]}" for row in MISTAKES]
)
def test_a_mistake_has_its_status_type_and_keys(
    alice: Person, method: str, path: str, body: Any, status: int, kind: str, family: str
) -> None:
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
    told = assert_error(alice.http.request(method, path, content=content), status, kind, family)
    if family == "auth":
        assert told["non_field_errors"] == [told["error"]]
    if family == "datasets":
        assert (told["success"], told["message"]) == (False, told["error"])
    if family == "files":
        assert (told["is_valid"], told["errors"]) == (False, [told["error"]])


# Who may

PROTECTED = [
    ("GET", "/api/v2/files/"),
    ("POST", "/api/v2/files/"),
    ("GET", "/api/v2/files/{dataset}"),
    ("DELETE", "/api/v2/files/{dataset}"),
    ("PATCH", "/api/v2/files/{dataset}"),
    ("POST", "/api/v2/upload/files/{dataset}"),
    ("POST", "/api/v2/upload/datasets/"),
    ("POST", "/api/v2/upload/datasets/{dataset}/edges/arrow"),
    ("GET", "/api/v2/upload/datasets/{dataset}"),
    ("GET", "/api/v2/datasets/"),
    ("GET", "/api/v2/datasets/{dataset}/"),
    ("DELETE", "/api/v2/datasets/{dataset}/"),
    ("POST", "/api/v2/datasets/{dataset}/python"),
    ("POST", "/api/v2/share/link/"),
    ("GET", "/api/v2/share/link/{dataset}"),
    ("GET", "/api/v2/users/me/"),
    ("POST", "/api/v2/o/x/switch/"),
    ("GET", "/api/v2/admin/users/"),
    ("PUT", "/api/v2/admin/flags/x/"),
]
STRANGERS = {
    "nothing": {},
    "empty": {"Authorization": ""},
    "bearer of nothing": {"Authorization": "Bearer"},
    "no token": {"Authorization": "Bearer a.b.c"},
    "other scheme": {"Authorization": "Basic YWRtaW46YWRtaW4="},
    "unsigned": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxLCJ1c2VybmFtZSI6ImFkbWluIn0."},
}


def family_of(path: str) -> str:
    return (
        "files"
        if "/files/" in path
        else "organisations"
        if path.startswith(("/api/v2/share", "/api/v2/o/"))
        else "datasets"
    )


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_nobody_gets_in_without_a_token(server: LiveServer, people: str, method: str, path: str) -> None:
    path = path.format(dataset=people)
    for headers in STRANGERS.values():
        answer = httpx.request(method, server.url + path, headers=headers, content=b"{}")
        assert_error(answer, 401, "Unauthenticated", family_of(path))
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_may_stand_among_blanks(server: LiveServer, alice: Person, people: str) -> None:
    for header in (f"Bearer   {alice.token}", f"bearer {alice.token}", f"Bearer Bearer {alice.token}"):
        answer = httpx.get(f"{server.url}/api/v2/datasets/{people}/", headers={"Authorization": header})
        assert answer.status_code == 200, header


FOREIGN = [
    ("GET", "/api/v2/datasets/{id}/", None),
    ("DELETE", "/api/v2/datasets/{id}/", None),
    ("GET", "/api/v2/upload/datasets/{id}", None),
    ("POST", "/api/v2/upload/datasets/{id}/edges/csv", b"s,d\na,b\n"),
    ("POST", "/api/v2/datasets/{id}/python", {"execute": PLAIN}),
    ("POST", "/api/v2/datasets/{id}/python", {"execute": "def task(g): return (", "engine": "cudf"}),
    ("POST", "/api/v2/share/link/", {"obj_pk": "{id}"}),
]


@pytest.mark.parametrize(("method", "path", "body"), FOREIGN)
def test_somebody_elses_dataset_answers_as_if_there_were_none(
    bob: Person, people: str, method: str, path: str, body: Any
) -> None:
    def ask(dataset_id: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).replace("{id}", dataset_id)
        return bob.http.request(method, path.format(id=dataset_id), content=content)

    bodies = []
    for dataset_id in (people, NOWHERE):
        told = assert_error(ask(dataset_id), 404, "NotFound", family_of(path))
        del told["request_id"]
        bodies.append(json.loads(json.dumps(told).replace(dataset_id, "ID")))
    assert bodies[0] == bodies[1]


def test_somebody_elses_dataset_is_not_listed(alice: Person, bob: Person, people: str) -> None:
    own = alice.http.get("/api/v2/datasets/?limit=1000").json()["results"]
    others = bob.http.get("/api/v2/datasets/?limit=1000").json()["results"]
    assert people in {item["dataset_id"] for item in own}
    assert people not in {item["dataset_id"] for item in others}


# The switches of protocol 4.8: off by flag_python_endpoint_disabled, on by flag_python_endpoint_enabled_users

DISABLED, ENABLED = "flag_python_endpoint_disabled", "flag_python_endpoint_enabled_users"


@pytest.fixture(scope="module")
def carol(make_user: Callable[..., Person]) -> Iterator[tuple[Person, str]]:
    """A user without any flag, and a dataset of hers."""
    import pyarrow as pa

    person = make_user(f"carol-{uuid4().hex[:8]}", python=False)
    yield person, person.upload(pa.table({"s": ["a"], "d": ["b"]}))
    person.http.close()


def set_flag(admin: Person, flag: str, value: bool | None, user: str | None) -> None:
    answer = admin.http.put(f"/api/v2/admin/flags/{flag}/", json={"user": user, "value": value})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("disabled", "enabled"), list(product([None, False, True], repeat=2)))
def test_both_flags_decide_who_may_run_python(
    admin: Person, carol: tuple[Person, str], disabled: bool | None, enabled: bool | None
) -> None:
    person, dataset_id = carol
    set_flag(admin, DISABLED, disabled, person.username)
    set_flag(admin, ENABLED, enabled, person.username)
    answer = person.run(dataset_id, PLAIN)
    if enabled and not disabled:
        assert answer.json() == 1
        return
    named = DISABLED if disabled else ENABLED
    assert named in assert_error(answer, 403, "EndpointDisabled")["error"]


def test_a_flag_for_everyone_holds_where_the_user_has_none(admin: Person, carol: tuple[Person, str]) -> None:
    person, dataset_id = carol
    set_flag(admin, DISABLED, None, person.username)
    set_flag(admin, ENABLED, None, person.username)
    try:
        set_flag(admin, ENABLED, True, None)
        assert person.run(dataset_id, PLAIN).json() == 1
        set_flag(admin, DISABLED, False, None)
        assert person.run(dataset_id, PLAIN).json() == 1
        set_flag(admin, DISABLED, True, None)
        assert_error(person.run(dataset_id, PLAIN), 403, "EndpointDisabled")
        set_flag(admin, DISABLED, False, person.username)
        assert person.run(dataset_id, PLAIN).json() == 1
    finally:
        set_flag(admin, DISABLED, None, None)
        set_flag(admin, ENABLED, None, None)


def test_the_switches_close_nothing_but_the_endpoint(carol: tuple[Person, str], admin: Person) -> None:
    person, dataset_id = carol
    set_flag(admin, ENABLED, None, person.username)
    assert_error(person.run(dataset_id, PLAIN), 403, "EndpointDisabled")
    assert person.http.get(f"/api/v2/datasets/{dataset_id}/").json()["edge_count"] == 1


# Too large


def test_an_announced_length_is_refused_before_the_body_comes(server: LiveServer, alice: Person, people: str) -> None:
    too_long = 1024**3 + 1
    for path in (f"/api/v2/upload/datasets/{people}/edges/arrow", f"/api/v2/datasets/{people}/python"):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        head += f"Content-Length: {too_long}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head.encode())
            answer = connection.recv(65536)  # nothing of the body has been sent
        assert answer.startswith(b"HTTP/1.1 413 "), answer


def test_a_body_without_a_length_is_refused_once_it_is_too_long(alice: Person, people: str) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"execute": "'
        for _ in range(64):
            yield b"#" * 1024 * 1024

    answer = alice.http.post(f"/api/v2/datasets/{people}/python", content=endless())
    body = assert_error(answer, 413, "TooLarge")
    assert body["limit_name"] == "body_bytes"
