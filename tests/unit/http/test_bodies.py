"""Bodies that would hurt the code that reads, stores or forwards them."""

from __future__ import annotations

from typing import Any  # HTTP answers, whichever client library is under the browser

import orjson
import pytest
from pydantic import ValidationError

from deployments.ingress.body import checked, json_object
from deployments.ingress.errors import InvalidRequest
from deployments.ingress.routes.python import MOST_ITEMS
from deployments.ingress.routes.shares import ShareLink
from deployments.ingress.runs.request import run_request_model
from deployments.settings import Settings
from runtime.sandbox.protocol import encode_frame
from runtime.task import MIB, MOST_SOURCE_BYTES
from tests.unit.http.site import PASSWORD, Browser, Site

CREATES = (("/api/v2/upload/datasets/", "metadata"), ("/api/v2/files/", "parser_options"))


@pytest.fixture(scope="module")
def browser(site: Site) -> Browser:
    browser = site.signed_in("alice")
    token = browser.post("/api-token-auth/", json={"username": "alice", "password": PASSWORD}).json()["token"]
    browser.headers["Authorization"] = f"Bearer {token}"
    return browser


@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]"), ('[{"a":', "}]")])
@pytest.mark.parametrize(("path", "key"), CREATES)
def test_a_body_that_nests_too_deeply_is_refused(
    browser: Browser, path: str, key: str, opening: str, closing: str
) -> None:
    """Code that stores, forwards or copies such a body recurses."""

    def send(levels: int) -> Any:
        deep = f"{opening * levels}1{closing * levels}"
        return browser.post(path, content=f'{{"file_type": "csv", "{key}": {{"x": {deep}}}}}')

    assert send(40).status_code == 201
    refused = send(300)
    assert refused.status_code == 400, refused.text
    assert "deep" in refused.json()["error"]
    assert send(2000).status_code == 400


@pytest.mark.parametrize(("path", "key"), CREATES)
def test_a_body_that_is_wide_is_not_deep(browser: Browser, path: str, key: str) -> None:
    wide: dict[str, Any] = {str(number): [{}] for number in range(2000)}
    assert browser.post(path, json={"file_type": "csv", key: wide}).status_code == 201


@pytest.mark.parametrize("item", [b"[]", b"{}", b"[[]]"])
def test_a_body_of_very_many_lists_or_objects_is_refused_before_they_are_made(browser: Browser, item: bytes) -> None:
    """To make them holds the interpreter, and so the event loop, from whichever thread."""
    content = b'{"metadata": {}, "x": [' + b",".join([item] * 300_000) + b"]}"
    refused = browser.post("/api/v2/upload/datasets/", content=content)
    assert refused.status_code == 400, refused.text
    assert "lists and objects; at most 20000 are allowed" in refused.json()["error"]


MANY = {
    "keys": b'{"metadata": {}, "x": {' + b",".join(b'"%x":1' % number for number in range(200_000)) + b"}}",
    "numbers": b'{"metadata": {}, "x": [' + b"1," * 200_000 + b"1]}",
    "texts": b'{"metadata": {}, "x": [' + b'"",' * 200_000 + b'""]}',
    "colons": b'{"metadata": {}, "x": "' + b'","' * 200_000 + b'"}',
}


@pytest.mark.parametrize("content", MANY.values(), ids=MANY.keys())
def test_a_body_of_very_many_items_is_refused_before_they_are_made(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orjson, "loads", None)
    with pytest.raises(InvalidRequest, match="too many items; at most 50000 are allowed in all"):
        json_object(content)


def test_a_body_of_a_run_has_few_items_whatever_its_source_has() -> None:
    source = 'x = ["a", {"b": [1, 2, 3]}]\n' * 10_000
    with pytest.raises(InvalidRequest, match="at most 1000 are allowed"):
        json_object(orjson.dumps({"execute": source, "more": list(range(1001))}), MOST_ITEMS)
    assert json_object(orjson.dumps({"execute": source}), MOST_ITEMS) == {"execute": source}


def test_many_wrong_items_are_told_at_once() -> None:
    """The sentence names some; the time to find out which must not grow with the square of their number."""
    body = {"obj_pk": "0" * 32, "mode": "private", "invited_users": [{"email": 1, "action": 1}] * 1000}
    with pytest.raises(InvalidRequest, match=r"invited_users.0.action must .*; and \d+ more"):
        checked(ShareLink, body)


def test_brackets_in_a_text_are_no_lists(browser: Browser) -> None:
    text = '[{\\"' * 100_000
    assert browser.post("/api/v2/upload/datasets/", json={"x": text, "metadata": {}}).status_code == 201


def test_a_body_of_very_many_keys_is_refused(browser: Browser) -> None:
    keys = {f"k{number}": 1 for number in range(1001)}
    assert "at most 1000" in browser.post("/api/v2/upload/datasets/", json=keys).json()["error"]


@pytest.mark.parametrize("key", ["node_files", "edge_files"])
def test_a_dataset_of_too_many_files_is_refused_before_they_are_looked_up(browser: Browser, key: str) -> None:
    """Each costs a question and an open file."""
    refused = browser.post("/api/v2/upload/datasets/", json={key: ["0" * 32] * 101})
    assert refused.status_code == 400, refused.text
    assert "100 items" in refused.json()["error"]
    assert browser.post("/api/v2/upload/datasets/", json={key: ["0" * 32] * 100}).status_code == 404


@pytest.mark.parametrize("character", ["\x01", "\u4e2d", "\U0001f600", '"'])
def test_a_source_that_would_be_too_long_as_json_is_refused(character: str) -> None:
    """It goes to a seat in a frame of JSON, in which some characters take six bytes."""
    model = run_request_model(Settings())
    body = {"execute": character * MIB}
    if len(orjson.dumps(body["execute"])) <= 2 * MIB + 2:
        body["execute"] = body["execute"][: -len(character)]
        checked(model, body)
        return
    with pytest.raises(InvalidRequest, match="execute must have at most 2097152 bytes as JSON"):
        checked(model, body)


def test_the_longest_source_fits_into_a_frame() -> None:
    longest = Settings(max_source_bytes=MOST_SOURCE_BYTES)
    source = "\n" * (MOST_SOURCE_BYTES - 1)
    checked(run_request_model(longest), {"execute": source})
    encode_frame({"task": {"source": source, "output_type": "json", "format": "json", "accepts_text": True}})
    with pytest.raises(ValidationError):
        Settings(max_source_bytes=MOST_SOURCE_BYTES + 1)
