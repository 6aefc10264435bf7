"""Bodies that would hurt the code that reads, stores or forwards them."""

from __future__ import annotations

from typing import Any  # HTTP answers, whichever client library is under the browser

import pytest

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
