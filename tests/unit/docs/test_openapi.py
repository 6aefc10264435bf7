"""``/openapi.json`` is whole and agrees with itself and with docs/api.md. That answers agree with it is held elsewhere:
by each client of the tests (``tests/conformance.py``) and by made-up requests (``tests/schema/test_schema.py``)."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from deployments.ingress.openapi.schemas import PREFIX
from tests.conformance import Document
from tests.document import openapi
from tests.unit.docs.markdown import code, rows
from tests.unit.http.site import Site

DOCUMENT: Final = openapi()
HELD: Final = Document(DOCUMENT)
OPERATIONS: Final = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
IS_NO_TEXT: Final = re.compile(r"\(protocol|``")

each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


def answers(operation: dict[str, Any]) -> dict[int, Any]:
    return {int(status): HELD.resolved(answer) for status, answer in operation["responses"].items()}


@each_operation
def test_an_operation_says_what_it_is_for(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert not IS_NO_TEXT.search(operation["summary"] + operation["description"])


@each_operation
def test_an_operation_says_what_it_answers(operation: dict[str, Any]) -> None:
    good = {status: answer for status, answer in answers(operation).items() if status < 300}
    assert good
    for status, answer in good.items():
        assert answer["description"]
        assert status == 204 or all(content["schema"] for content in answer["content"].values())
        assert (status == 204) == (not answer.get("content"))


@each_operation
def test_an_operation_says_how_it_refuses(operation: dict[str, Any]) -> None:
    refused = {status: answer for status, answer in answers(operation).items() if status >= 400}
    assert 500 in refused
    assert 405 not in refused, "the document says once for all that no path takes every method"
    assert ({400, 413} <= refused.keys()) or "requestBody" not in operation
    assert (401 in refused) or not operation["security"] or {} in operation["security"]
    assert all("X-Request-Id" in answer["headers"] for answer in refused.values())
    assert all("Retry-After" in refused[status]["headers"] for status in (429, 503) if status in refused)


@each_operation
def test_examples_are_what_their_schemas_say(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        assert parameter["description"]
        if "example" in parameter:
            assert not HELD.errors(parameter["schema"], parameter["example"]), parameter
    for content in contents(operation):
        if "example" in content:
            assert not HELD.errors(content["schema"], content["example"]), content


@each_operation
def test_json_has_an_example(operation: dict[str, Any]) -> None:
    named = [content for content in contents(operation) if PREFIX in str(content["schema"])]
    assert all("example" in content for content in named)


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (operation.get("requestBody", {}), *answers(operation).values()):
        yield from holder.get("content", {}).values()


def test_operations_have_names_of_their_own_and_links_lead_to_them() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))
    links = [link for operation in OPERATIONS.values() for answer in answers(operation).values()
             for link in answer.get("links", {}).values()]  # fmt: skip
    assert links
    assert {link["operationId"] for link in links} <= set(ids)


def test_every_reference_leads_somewhere() -> None:
    for kind, name in set(re.findall(r"'\$ref': '#/components/(\w+)/([^']+)'", str(DOCUMENT))):
        assert name in DOCUMENT["components"][kind]


def test_no_schema_is_there_for_nothing() -> None:
    assert {name for name in DOCUMENT["components"]["schemas"] if f"'{PREFIX}{name}'" not in str(DOCUMENT)} == set()


def test_every_documented_error_is_answered_somewhere_and_every_answered_one_documented() -> None:
    documented = {(int(row["status"]), code(row["type"])) for row in rows("docs/api.md", "status")}
    answered = {
        (status, kind)
        for operation in OPERATIONS.values()
        for status, answer in answers(operation).items()
        for kind in types(answer)
    }
    assert answered | {(405, "MethodNotAllowed")} == documented


def types(answer: dict[str, Any]) -> list[str]:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return [
        kind for item in schema.get("allOf", ()) for kind in item.get("properties", {}).get("type", {}).get("enum", ())
    ]


def test_the_operators_limits_are_told() -> None:
    narrow = openapi(maximum={"timeout_s": 90}, max_source_bytes=2048)["components"]["schemas"]["RunRequest"]
    assert narrow["properties"]["execute"]["maxLength"] == 2048
    assert narrow["properties"]["timeout_s"]["anyOf"][0]["maximum"] == 90
    assert narrow["properties"]["timeout_s"]["anyOf"][0]["exclusiveMinimum"] == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    opened = Site.open(tmp_path_factory.mktemp("site") / "data")
    opened.user("alice")
    yield opened
    opened.close()


def test_what_asks_for_credentials_is_closed_without_and_what_does_not_is_open(site: Site) -> None:
    browser = site.browser()
    for name, operation in OPERATIONS.items():
        method, path = name.split()
        if path == "/readyz":
            continue  # asks a runner
        answer = browser.request(method, re.sub(r"\{\w+\}", "0" * 32, path))
        is_closed = bool(operation["security"]) and {} not in operation["security"]
        assert (answer.status_code == 401) == is_closed, name
        assert answer.status_code < 300 or answer.status_code in (400, 401, 404), name


def test_what_is_for_administrators_is_closed_to_users(site: Site) -> None:
    browser = site.signed_in("alice")
    token = {"Authorization": f"Bearer {browser.cookies['graphistry_jwt']}"}
    closed = [name for name in OPERATIONS if "/admin/" in name or "/logout-user/" in name]
    for name in closed:
        method, path = name.split()
        answer = browser.request(method, re.sub(r"\{\w+\}", "0" * 32, path), headers=token)
        assert (answer.status_code, answer.json()["type"]) == (403, "Forbidden"), name
        assert "dministrator" in OPERATIONS[name]["description"] + OPERATIONS[name]["summary"]
