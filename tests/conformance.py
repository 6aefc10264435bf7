"""Checks answers against ``/openapi.json``.

The HTTP clients of the tests check every answer that they get, so each test with such a client tests the document too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol  # Any: JSON
from urllib.parse import urlsplit

import httpx
import jsonschema_rs

from tests.document import openapi


class Answer(Protocol):
    """What the responses of all clients have in common."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...
    def json(self) -> Any: ...


class Document:
    """An OpenAPI document to check answers against."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._components = document["components"]
        paths = {re.sub(r"\{\w+\}", "[^/]+", path): item for path, item in document["paths"].items()}
        self._paths = [(re.compile(pattern.rstrip("/") + "/?"), paths[pattern]) for pattern in sorted(paths)[::-1]]

    def check(self, method: str, url: str, answer: Answer) -> None:
        """Fail if the document does not describe this answer to this request."""
        status = answer.status_code
        found = self._item(urlsplit(url).path)
        if found is None:
            assert status in (404, 405), f"{method} {url} is not described and answered {status}"
            return
        if method == "OPTIONS":  # a preflight request of a browser, which no route answers
            return
        operation = found.get("get" if method == "HEAD" else method.lower())
        if operation is None:
            assert status in (405, 200), f"{method} {url} is not described and answered {status}"
            return
        assert str(status) in operation["responses"], f"{method} {url} answered {status}, which is not described"
        described = self.resolved(operation["responses"][str(status)])
        self._check_headers(described.get("headers", {}), answer, f"{method} {url}: {status}")
        if method != "HEAD":
            self._check_content(described.get("content", {}), answer, f"{method} {url}: {status}")

    def errors(self, schema: Mapping[str, Any], value: object) -> list[str]:
        """Return what is wrong with a value by a schema of the document."""
        validator = jsonschema_rs.validator_for({**schema, "components": self._components}, validate_formats=True)
        return [str(error) for error in validator.iter_errors(value)]

    def resolved(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a reference to a component stands for."""
        if "$ref" not in item:
            return item
        kind, name = item["$ref"].removeprefix("#/components/").split("/")
        found: Mapping[str, Any] = self._components[kind][name]
        return found

    def _item(self, path: str) -> Mapping[str, Any] | None:
        """Return the operations of the most concrete path that matches."""
        return next((item for pattern, item in self._paths if pattern.fullmatch(path)), None)

    def _check_headers(self, described: Mapping[str, Any], answer: Answer, what: str) -> None:
        for name, header in described.items():
            header = self.resolved(header)
            value = answer.headers.get(name)
            assert value is not None or not header["required"], f"{what} lacks {name}"
            if value is not None:
                is_number = header["schema"]["type"] == "integer" and value.isdigit()
                assert not (wrong := self.errors(header["schema"], int(value) if is_number else value)), (what, wrong)

    def _check_content(self, described: Mapping[str, Any], answer: Answer, what: str) -> None:
        if not described:
            assert not answer.content, f"{what} has a body that is not described"
            return
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        assert media_type in described, f"{what} is {media_type}, which is not described"
        if media_type == "application/json":
            assert not (wrong := self.errors(described[media_type]["schema"], answer.json())), (what, wrong)


@cache
def own_document() -> Document:
    """Return the document of the default settings: settings change requests, not answers."""
    return Document(openapi())


class HeldClient(httpx.Client):
    """An HTTP client that checks every answer but streams against the document."""

    def request(self, method: str, url: httpx.URL | str, **more: Any) -> httpx.Response:
        answer = super().request(method, url, **more)
        for each in (*answer.history, answer):
            own_document().check(each.request.method, str(each.request.url), each)
        return answer
