"""The texts that released clients compare stay to the letter: the table at the end of docs/protocol.md."""

import re
from typing import Any

import pytest

from auth.errors import TokenExpired
from tests.unit.docs.markdown import rows
from tests.unit.http.site import PASSWORD, Browser, Site

ABSENT = "0" * 32
NEW_DATASET = {"node_encodings": {"bindings": {}}, "edge_encodings": {"bindings": {}}, "metadata": {}, "name": "g"}
MISSING_FILE = {**NEW_DATASET, "edge_files": [ABSENT]}


@pytest.fixture
def alice(site: Site) -> Browser:
    browser = site.signed_in("alice")
    browser.headers["x-csrftoken"] = browser.cookies["csrftoken"]
    browser.headers["origin"] = "http://site.example"
    return browser


def test_a_wrong_password(site: Site) -> None:
    answer = site.browser().post("/api-token-auth/", json={"username": "alice", "password": PASSWORD + "x"})
    assert answer.json()["non_field_errors"] == ["Unable to log in with provided credentials."]


def test_an_expired_token() -> None:
    assert str(TokenExpired()) == "Token has expired."


@pytest.mark.parametrize(
    ("slug", "status", "message"),
    [
        ("alice", 200, "Switched to organization: alice"),
        ("none", 404, "No such organization id 'none'"),
        ("lab", 403, "Not authorized to organization 'lab'"),
    ],
)
def test_a_switch(site: Site, alice: Browser, slug: str, status: int, message: str) -> None:
    if slug == "lab":
        site.services.organizations.add("lab", "Lab")
    answer = alice.post(f"/api/v2/o/{slug}/switch/", data={"slug": slug})
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def test_a_dataset(alice: Browser) -> None:
    answer = alice.post("/api/v2/upload/datasets/", json=NEW_DATASET)
    assert answer.json()["message"] == "Dataset created"


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "text"),
    [
        ("POST", "/api/v2/upload/datasets/", MISSING_FILE, "message", f"file {ABSENT} not found"),
        ("GET", f"/api/v2/upload/datasets/{ABSENT}", None, "error", f"dataset {ABSENT} not found"),
    ],
)
def test_what_is_not_there(alice: Browser, method: str, path: str, body: Any, key: str, text: str) -> None:
    answer = alice.request(method, path, json=body)
    assert (answer.status_code, answer.json()[key]) == (404, text)


def test_the_page_has_these_texts_and_no_others() -> None:
    texts = [text for row in rows("docs/protocol.md", "text") for text in re.findall(r"`([^`]+)`", row["text"])]
    shown = {re.sub(r"<\w+>", "*", text) for text in texts}
    assert shown == {
        "Token has expired.",
        "Unable to log in with provided credentials.",
        "Switched to organization: *",
        "No such organization id '*'",
        "Not authorized to organization '*'",
        "Dataset created",
        "Dataset edges created",
        "Dataset nodes created",
        "file * not found",
        "dataset * not found",
    }
