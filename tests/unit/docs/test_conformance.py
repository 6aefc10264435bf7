"""What holds answers to the document lets nothing else through."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import schemathesis

from tests.conformance import own_document
from tests.document import openapi
from tests.schema.requests_made_up import ROOT, tells_nothing_of_the_server

ERROR = {
    "error": "no",
    "type": "NotFound",
    "request_id": "r",
    "is_valid": False,
    "is_uploaded": False,
    "errors": ["no"],
}
ID = {"X-Request-Id": "r"}
DONE = {"success": True}


def answer(status: int, body: Any = None, headers: dict[str, str] = ID, media_type: str = "json") -> httpx.Response:
    content = b"" if body is None else json.dumps(body).encode()
    return httpx.Response(status, headers={**headers, "Content-Type": f"application/{media_type}"}, content=content)


@pytest.mark.parametrize(
    ("method", "path", "right", "wrong"),
    [
        ("GET", "/healthz/", answer(200, DONE), answer(201, DONE)),
        ("GET", "/healthz", answer(200, DONE), answer(200, DONE, {})),
        ("GET", "/healthz", answer(200, DONE), answer(200, {"success": False})),
        ("GET", "/healthz", answer(200, DONE), answer(200, {**DONE, "more": 1})),
        ("GET", "/healthz", answer(200, DONE), answer(200, DONE, media_type="xml")),
        ("GET", "/api/v2/files/x", answer(404, ERROR), answer(404, {**ERROR, "type": "UnknownUser"})),
        ("GET", "/api/v2/files/x", answer(404, ERROR), answer(404, {**ERROR, "is_valid": None})),
        ("DELETE", "/api/v2/files/x", answer(204), answer(204, DONE)),
        ("GET", "/readyz", answer(200, DONE), answer(503, {**ERROR, "type": "Overloaded"})),
        ("GET", "/nowhere", answer(404, ERROR), answer(200, DONE)),
    ],
)
def test_an_answer_that_is_not_described_fails(
    method: str, path: str, right: httpx.Response, wrong: httpx.Response
) -> None:
    own_document().check(method, f"http://test{path}", right)
    with pytest.raises(AssertionError):
        own_document().check(method, f"http://test{path}", wrong)


@pytest.mark.parametrize(
    "leak",
    [
        {"error": f"no such file: {ROOT}/runtime/source.py"},
        {"error": "/usr/lib/python3/site-packages/ray/serve"},
        {"stdout": "Traceback (most recent call last):\n"},
        {"frames": [{"source": "deployments/ingress/routes/python.py"}]},
    ],
)
def test_an_answer_that_tells_where_it_comes_from_fails(leak: dict[str, Any]) -> None:
    operation = schemathesis.openapi.from_dict(openapi())["/api/v2/datasets/{dataset_id}/python"]["POST"]
    case = operation.Case(path_parameters={"dataset_id": "0" * 32})
    request = httpx.Request("POST", "http://test/")

    def told(body: dict[str, Any]) -> schemathesis.Response:
        made = answer(422, body)
        made.request = request
        made.elapsed = timedelta()
        return schemathesis.Response.from_any(made)

    tells_nothing_of_the_server(None, told({"traceback": "Traceback (most recent call last):\n"}), case)
    with pytest.raises(AssertionError):
        tells_nothing_of_the_server(None, told(leak), case)
