"""Every field of every route has a bound, which holds at the number that it says and before anything else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from deployments.ingress.body import checked
from deployments.ingress.errors import InvalidRequest
from deployments.ingress.fields import DESCRIPTION_BYTES
from deployments.ingress.openapi.schemas import example_of, schemas_of
from deployments.ingress.routing.parameters import Bounds
from tests.unit.http.bounds.fields import (
    SETTINGS,
    Place,
    answer_models,
    at_the_bound,
    operations,
    places,
    problem,
    request_models,
)
from tests.unit.http.site import PASSWORD, Browser, Site

SMALL = 16 * 1024


@pytest.mark.parametrize("model", [*request_models(), *answer_models()], ids=lambda model: model.__name__)
def test_every_field_has_a_bound(model: type[BaseModel]) -> None:
    assert {str(place): wrong for place in places(model) if (wrong := problem(place))} == {}


def test_the_walk_finds_fields_without_a_bound() -> None:
    class Inner(BaseModel):
        word: str

    class Loose(BaseModel):
        text: str | None
        words: list[str] = Field(max_length=3)
        rows: list[Inner]
        number: int = Field(ge=0)
        thing: Any
        table: dict[str, Any]
        fine: str = Field(max_length=3)

    wrong = {str(place) for place in places(Loose) if problem(place)}
    assert wrong == {
        "Loose.text", "Loose.words.*", "Loose.rows", "Loose.rows.*.word", "Loose.number", "Loose.thing",
        "Loose.table", "Loose.table.*",
    }  # fmt: skip


@pytest.mark.parametrize("model", request_models(), ids=lambda model: model.__name__)
def test_each_bound_of_a_request_accepts_its_number_and_not_one_more(model: type[BaseModel]) -> None:
    references, schemas = schemas_of([(model, "validation")])
    example = example_of(references[model, "validation"], schemas)
    for name in model.model_fields:
        for place in places(model):
            limit = at_the_bound(place) if place.path[1:] == (name,) else None
            if limit is None or _has_own_check(place):
                continue
            made, most = limit
            checked(model, {**example, name: made(most)})
            with pytest.raises(InvalidRequest, match=f"^{name} must"):
                checked(model, {**example, name: made(most + 1)})


def _has_own_check(place: Place) -> bool:
    """Return True for a field whose form excludes values of most lengths: the pattern of an id."""
    return any(getattr(item, "pattern", None) for item in place.said)


def test_every_operation_with_a_body_has_a_limit_and_only_few_have_a_large_one() -> None:
    limits = {
        f"{operation.method} {operation.path}": operation.body.limit(SETTINGS)
        for operation in operations()
        if operation.body is not None
    }
    large = {name: limit for name, limit in limits.items() if limit > SMALL}
    assert large == {
        "POST /api/v2/files": 128 * 1024,
        "PATCH /api/v2/files/{file_id}": 128 * 1024,
        "POST /api/v2/share/link": 512 * 1024,
        "POST /api/v2/upload/datasets": DESCRIPTION_BYTES,
        "POST /api/v2/datasets/{dataset_id}/python": 6 * SETTINGS.max_source_bytes,
        "POST /api/v2/etl/datasets/{dataset_id}/python": 6 * SETTINGS.max_source_bytes,
        "POST /api/v2/upload/files/{file_id}": SETTINGS.max_upload_bytes,
        "POST /api/v2/upload/datasets/{dataset_id}/{role}/{file_type}": SETTINGS.max_upload_bytes,
    }


@pytest.fixture(scope="module")
def browser(site: Site) -> Browser:
    site.user("boss", admin=True)
    browser = site.browser()
    token = browser.post("/api-token-auth/", json={"username": "boss", "password": PASSWORD}).json()["token"]
    browser.headers["Authorization"] = f"Bearer {token}"
    return browser


def test_every_parameter_in_a_path_or_a_query_is_bounded_before_the_catalog_is_asked(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    from catalog.engine import Catalog

    browser.get("/api/v2/users/me")  # who the caller is, the snapshot knows from here on
    asked: list[str] = []
    monkeypatch.setattr(Catalog, "read", lambda _self: asked.append("read"))
    monkeypatch.setattr(Catalog, "write", lambda _self: asked.append("write"))
    for operation in operations():
        for parameter in operation.parameters:
            values = {each.name: each.example or "x" for each in operation.parameters if each.location == "path"}
            query = {}
            if parameter.location == "path":
                values[parameter.name] = "x" * 2000
            else:
                query[parameter.name] = "x" * 8000
            answer = browser.request(operation.method, operation.path.format(**values), params=query)
            assert answer.status_code == (404 if parameter.location == "path" else 400), (operation.path, answer.text)
            assert len(answer.content) < 1000
    assert asked == []
    assert site is not None


def test_a_parameter_without_a_bound_is_noticed() -> None:
    from deployments.ingress.routing.declarations import Parameter

    with pytest.raises(KeyError):
        Bounds.of([Parameter("x", "", {"type": "string"}, location="path")])
