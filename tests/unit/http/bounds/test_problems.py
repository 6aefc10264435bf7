"""What a refused body is told: the field and what it must be, in words of ours and not in pydantic's."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel

from deployments.ingress.body import checked
from deployments.ingress.errors import InvalidRequest
from deployments.ingress.openapi.schemas import example_of, schemas_of
from deployments.ingress.routes.shares import ShareLink
from deployments.ingress.uploads.new_dataset import NewDataset
from tests.unit.http.bounds.fields import answer_models, request_models

WRONG: list[Any] = [
    None,
    True,
    7,
    -7,
    1.5,
    "",
    "x",
    "x" * 20_000,
    [],
    [[]],
    [7],
    {},
    {"x": 7},
    2**60,
    1e300,
    {"a": "b" * 99_999},
]
INTERNAL = re.compile(
    r"pydantic|dictionary|instance|Input|validat|str\b|int\b|dict\b|constrained|union|function|tagged|attribute", re.I
)


def refusal(model: type[BaseModel], body: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequest) as raised:
        checked(model, body)
    return raised.value.message


@pytest.mark.parametrize("model", request_models(), ids=lambda model: model.__name__)
def test_no_refusal_has_a_word_of_pydantic_or_a_name_of_ours(model: type[BaseModel]) -> None:
    references, schemas = schemas_of([(model, "validation")])
    example = example_of(references[model, "validation"], schemas)
    ours = re.compile("|".join(rf"\b{each.__name__}\b" for each in (*request_models(), *answer_models())))
    refused = 0
    for name in model.model_fields:
        for value in WRONG:
            try:
                checked(model, {**example, name: value})
            except InvalidRequest as error:
                refused += 1
                assert error.message.startswith(name), error.message
                assert not INTERNAL.search(error.message), error.message
                assert not ours.search(error.message), error.message
                assert len(error.message) < 1000
    assert refused > 0


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        (NewDataset, {"edge_encodings": 7}, "edge_encodings must be an object"),
        (NewDataset, {"edge_encodings": {"bindings": []}}, "edge_encodings.bindings must be an object"),
        (NewDataset, {"edge_encodings": {}}, "edge_encodings.bindings is missing"),
        (NewDataset, {"node_encodings": {"complex": {}}}, "node_encodings.bindings is missing"),
        (NewDataset, {"node_encodings": {"bindings": None}}, "node_encodings.bindings must be an object"),
        (NewDataset, {"metadata": "x"}, "metadata must be an object"),
        (ShareLink, {}, "obj_pk is missing"),
        (ShareLink, {"obj_pk": "x", "mode": "all"}, "mode must be 'private', 'organization' or 'public'"),
        (ShareLink, {"obj_pk": "x", "invited_users": [7]}, "invited_users.0 must be an object or a string"),
        (
            ShareLink,
            {"obj_pk": "x", "invited_users": [{"email": "a@b", "action": "99"}]},
            "invited_users.0.action must be '10', '20' or '30'",
        ),
        (ShareLink, {"obj_pk": "x", "invited_users": [{}]}, "invited_users.0.email is missing"),
        (ShareLink, {"obj_pk": 7, "notify": "maybe"}, "obj_pk must be a string; notify must be true or false"),
    ],
)
def test_a_refusal_names_the_place_and_what_belongs_there(
    model: type[BaseModel], body: dict[str, Any], said: str
) -> None:
    assert refusal(model, body) == said


def test_a_list_that_is_wrong_everywhere_is_told_in_one_short_sentence() -> None:
    said = refusal(ShareLink, {"obj_pk": "x", "invited_users": [7] * 1000})
    assert said.endswith("; and 990 more")
    assert len(said) < 2000


def test_a_long_key_is_cut() -> None:
    class Free(BaseModel):
        table: dict[str, int]

    said = refusal(Free, {"table": {"k" * 5000: "x"}})
    assert said == f"table.{'k' * 60}… must be a whole number"


def test_the_document_has_the_bounds_and_no_405_of_each_operation() -> None:
    from tests.document import openapi

    document = openapi()
    operations = [each for item in document["paths"].values() for each in item.values()]
    assert [each["operationId"] for each in operations if "405" in each["responses"]] == []
    assert "405" in document["info"]["description"]
    bodies = [each["requestBody"] for each in operations if "requestBody" in each]
    assert [body for body in bodies if not re.search(r"At most \d+ bytes\.$", body["description"])] == []
    assert "x-max-bytes" in json.dumps(document["components"]["schemas"]["NewDataset"])


def test_the_examples_of_errors_are_written_as_errors_are() -> None:
    from tests.document import openapi

    for name, answer in openapi()["components"]["responses"].items():
        sentence = answer["content"]["application/json"]["example"]["error"]
        assert sentence[:1].islower() or sentence[1:2].isupper(), (name, sentence)
        assert not sentence.endswith("."), (name, sentence)
