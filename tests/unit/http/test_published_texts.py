"""Published texts stand by themselves: no references to our notes, and code in single backticks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from auth.errors import AuthError
from catalog.errors import CatalogError
from deployments.ingress.errors import RequestError, meaning_of
from runtime.errors import RuntimeFailure
from tests.document import openapi
from tests.unit.http.site import PAGE, Site

NOT_FOR_READERS = re.compile(r"\b(protocol|contract|design|claim) \d|``")


def texts(value: Any, key: str = "") -> Iterator[str]:
    """Yield every summary, description and title of a document, but none of its examples."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in ("example", "examples"):
                yield from texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif key in ("summary", "description", "title") and isinstance(value, str):
        yield value


def error_classes() -> list[type[Exception]]:
    """Return all our error classes that a client can see."""
    found: list[type[Exception]] = [AuthError, CatalogError, RequestError, RuntimeFailure]
    for kind in found:
        found += kind.__subclasses__()
    return sorted(set(found), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_each_error_says_what_it_means_in_a_docstring_of_its_own(kind: type[Exception]) -> None:
    assert meaning_of(kind).endswith(".")


def test_no_text_of_the_document_is_for_its_authors() -> None:
    found = list(texts(openapi()))
    assert len(found) > 300
    assert [text for text in found if NOT_FOR_READERS.search(text)] == []
    assert [text for text in found if not text.strip()] == []


@pytest.mark.parametrize("path", ["/", "/login", "/docs", "/graph/graph.html", "/graph/graph.html?dataset={id}"])
def test_no_text_of_a_page_is_for_its_authors(site: Site, path: str) -> None:
    dataset = site.dataset(site.services.users.get("alice"), f"published {len(path)}")
    for browser in (site.browser(), site.signed_in("alice")):
        answer = browser.get(path.format(id=dataset.id), headers=PAGE)
        assert not NOT_FOR_READERS.search(answer.text)


def test_the_search_finds_texts_for_authors() -> None:
    assert NOT_FOR_READERS.search("Log in (protocol 1.2).")
    assert NOT_FOR_READERS.search("Send ``{}``.")
