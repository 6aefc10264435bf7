"""The API's description as rows for a page, from the OpenAPI document that the app makes of itself.

Why not a ready-made viewer: those bring over a megabyte of script from elsewhere, onto the origin where sessions live,
and want a looser policy than our pages have. A reference needs none of it; whoever wants to try calls out loads
``/openapi.json`` into a tool of his own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON Schema

import orjson

METHODS: Final = ("get", "post", "put", "patch", "delete")
_DEPTH: Final = 4
"""How far nested types are spelled out; schemas may be recursive."""

_SAYS_NOTHING: Final = "Successful Response"
"""What FastAPI writes where nobody wrote anything."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of a body."""

    name: str
    type: str
    description: str
    place: str = ""
    is_required: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A body in one media type."""

    media_type: str
    type: str
    fields: tuple[Field, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status means."""

    status: str
    description: str
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path."""

    method: str
    path: str
    anchor: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    bodies: tuple[Content, ...]
    answers: tuple[Answer, ...]


def operations_by_tag(document: Document) -> dict[str, list[Operation]]:
    """Every operation in the document's order, under the first of its tags."""
    groups: dict[str, list[Operation]] = {}
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_operation(document, method, path, item[method]))
    return groups


def _operation(document: Document, method: str, path: str, found: Document) -> Operation:
    description = found.get("description", "").strip()
    summary = found.get("summary", "")
    first, _, rest = description.partition("\n\n")
    if first and len(first) <= 160:
        summary, description = " ".join(first.split()), rest
    body = _resolved(document, found.get("requestBody", {}))
    return Operation(
        method=method.upper(),
        path=path,
        anchor=f"{method}{path.replace('/', '-').replace('{', '').replace('}', '')}",
        summary=summary,
        description=description.strip(),
        parameters=tuple(_parameter(document, item) for item in found.get("parameters", ())),
        bodies=_contents(document, body),
        answers=tuple(_answers(document, found.get("responses", {}))),
    )


def _answers(document: Document, found: Document) -> Iterator[Answer]:
    """Those that say something."""
    for status, item in found.items():
        answer = _resolved(document, item)
        contents = [item for item in _contents(document, answer) if item.fields or item.examples or item.type != "any"]
        description = answer.get("description", "")
        if contents or description != _SAYS_NOTHING:
            yield Answer(status, description, tuple(contents))


def _parameter(document: Document, item: Document) -> Field:
    item = _resolved(document, item)
    schema = item.get("schema", {})
    return Field(
        name=item["name"],
        type=type_of(document, schema),
        description=item.get("description", "") or schema.get("description", ""),
        place=item["in"],
        is_required=bool(item.get("required")),
        default=_shown(schema["default"]) if "default" in schema else "",
    )


def _contents(document: Document, holder: Document) -> tuple[Content, ...]:
    return tuple(
        Content(
            media_type=media_type,
            type=type_of(document, content.get("schema", {})),
            fields=tuple(_fields(document, content.get("schema", {}))),
            examples=tuple(_examples(content)),
        )
        for media_type, content in holder.get("content", {}).items()
    )


def _fields(document: Document, schema: Document) -> Iterator[Field]:
    schema = _resolved(document, schema)
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield Field(
            name=name,
            type=type_of(document, member),
            description=member.get("description", ""),
            is_required=name in required,
            default=_shown(member["default"]) if "default" in member else "",
        )


def _examples(content: Document) -> Iterator[str]:
    if "example" in content:
        yield _shown(content["example"], indented=True)
    for example in content.get("examples", {}).values():
        if "value" in example:
            yield _shown(example["value"], indented=True)


def type_of(document: Document, schema: Document, depth: int = 0) -> str:
    """A schema in a few words, such as ``"pandas" or "cudf"``, ``list of string``; ``any`` where it says nothing."""
    schema = _resolved(document, schema)
    if depth > _DEPTH:
        return "…"
    if "const" in schema:
        return _shown(schema["const"])
    if "enum" in schema:
        return " or ".join(_shown(value) for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(type_of(document, item, depth + 1) for item in schema[union]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {type_of(document, schema.get('items', {}), depth + 1)}"
    if kind == "string" and schema.get("format"):
        return f"string ({schema['format']})"
    return str(kind or "any")


def _resolved(document: Document, item: Document) -> Document:
    """What a reference within the document stands for; nothing where it leads nowhere."""
    for _ in range(_DEPTH):
        if "$ref" not in item:
            break
        found: Any = document
        for step in item["$ref"].removeprefix("#/").split("/"):
            found = found.get(step, {})
        item = found
    return item


def _shown(value: Any, *, indented: bool = False) -> str:
    if indented and isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indented else None).decode()
