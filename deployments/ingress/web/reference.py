"""The API reference as a page, made from ``/openapi.json``.

We have no interactive page (Swagger UI, ReDoc), because such a page runs scripts in the origin of the sessions and
needs a looser policy than our pages have. To try calls, load ``/openapi.json`` into a tool.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON Schema

import orjson

from deployments.ingress.web.pages import rendered

METHODS: Final = ("get", "post", "put", "patch", "delete")
_DEPTH: Final = 4
"""How deep nested types are shown, because schemas may be recursive."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a member of a body; a nested member has its path as name, such as ``results[].name``."""

    name: str
    type: str
    description: str
    location: str = ""
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
class AnswerRow:
    """The answer with one status. ``headers`` are those that not every answer has."""

    status: str
    description: str
    headers: tuple[Field, ...]
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One type of error that an operation may answer."""

    status: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class OperationRow:
    """A method on a path. ``who`` says in words who may call it."""

    method: str
    path: str
    anchor: str
    summary: str
    description: str
    who: str
    parameters: tuple[Field, ...]
    bodies: tuple[Content, ...]
    answers: tuple[AnswerRow, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """A way to authenticate, under the name that ``OperationRow.who`` uses."""

    name: str
    sent_as: str
    description: str


@dataclass(frozen=True, slots=True)
class Group:
    """The operations under one tag."""

    name: str
    description: str
    operations: tuple[OperationRow, ...]


def reference_of(document: Document) -> bytes:
    """Return the reference itself, which is the same on every page."""
    return rendered("reference.html", groups=groups_of(document), credentials=credentials_of(document))


def groups_of(document: Document) -> tuple[Group, ...]:
    """Return every operation under its first tag, in the order of the document."""
    found: dict[str, list[OperationRow]] = {tag["name"]: [] for tag in document.get("tags", ())}
    descriptions = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["other"])[0]
                found.setdefault(tag, []).append(_operation(document, method, path, item[method]))
    return tuple(Group(name, descriptions.get(name, ""), tuple(found[name])) for name in found if found[name])


def credentials_of(document: Document) -> tuple[Credential, ...]:
    """Return every way to authenticate."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    return tuple(Credential(name, _sent_as(item), item.get("description", "")) for name, item in schemes.items())


def _sent_as(scheme: Mapping[str, str]) -> str:
    if scheme["type"] == "http":
        return f"`Authorization: {scheme['scheme'].capitalize()} …`"
    return f"{scheme['in']} `{scheme['name']}`"


def _operation(document: Document, method: str, path: str, found: Document) -> OperationRow:
    summary, description = found.get("summary", ""), found.get("description", "").strip()
    body = _resolved(document, found.get("requestBody", {}))
    answers = {status: _resolved(document, item) for status, item in found.get("responses", {}).items()}
    return OperationRow(
        method=method.upper(),
        path=path,
        anchor=f"{method}{path.replace('/', '-').replace('{', '').replace('}', '')}",
        summary=summary,
        description="" if description == summary else description,
        who=_who(found.get("security", ())),
        parameters=tuple(_parameter(document, item) for item in found.get("parameters", ())),
        bodies=_contents(document, body),
        answers=tuple(_answer(document, status, item) for status, item in answers.items() if not _types(item)),
        refusals=tuple(refusal for status, item in answers.items() for refusal in _refusals(status, item)),
    )


def _who(security: Sequence[Mapping[str, Any]]) -> str:
    """Return in words who may call an operation. Each alternative needs all its parts."""
    ways = [" with ".join(f"`{part}`" for part in way) for way in security if way]
    if not ways:
        return "No authentication."
    opening = "Authentication is optional: " if {} in security else "Authentication: "
    return f"{opening}{' or '.join(ways)}."


def _answer(document: Document, status: str, found: Document) -> AnswerRow:
    headers = (
        Field(name, type_of(document, item.get("schema", {})), item.get("description", ""))
        for name, header in found.get("headers", {}).items()
        for item in [_resolved(document, header)]
        if name != "X-Request-Id"
    )
    return AnswerRow(status, found.get("description", ""), tuple(headers), _contents(document, found))


def _refusals(status: str, found: Document) -> Iterator[Refusal]:
    """Yield a refusal for each type of error of an answer, whose description has a line for each type."""
    lines = dict(re.findall(r"^`(\w+)`: (.+)$", found.get("description", ""), re.MULTILINE))
    for kind in _types(found):
        yield Refusal(status, kind, lines.get(kind, ""))


def _types(answer: Document) -> list[str]:
    """Return the types of error of an answer; none if it is not an error."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    narrowed = [item.get("properties", {}).get("type", {}) for item in schema.get("allOf", ())]
    return [kind for item in narrowed for kind in item.get("enum", ())]


def _parameter(document: Document, item: Document) -> Field:
    item = _resolved(document, item)
    schema = item.get("schema", {})
    return Field(
        name=item["name"],
        type=type_of(document, schema),
        description=item.get("description", "") or schema.get("description", ""),
        location=item["in"],
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


def _fields(document: Document, schema: Document, within: str = "", depth: int = 0) -> Iterator[Field]:
    schema = _resolved(document, schema)
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        described = {**_resolved(document, member), **member}
        yield Field(
            name=within + name,
            type=type_of(document, member),
            description=described.get("description", ""),
            is_required=name in required,
            default=_shown(member["default"]) if "default" in member else "",
        )
        if depth < _DEPTH:
            for item, suffix in _nested(document, member):
                yield from _fields(document, item, f"{within}{name}{suffix}", depth + 1)


def _nested(document: Document, schema: Document) -> Iterator[tuple[Document, str]]:
    """Yield the schemas in a member that may have members themselves, and what joins their names to its name."""
    schema = _resolved(document, schema)
    yield schema, "."
    if "items" in schema:
        yield schema["items"], "[]."
    for item in schema.get("anyOf", ()):
        yield from _nested(document, item)


def _examples(content: Document) -> Iterator[str]:
    if "example" in content:
        yield _shown(content["example"], indented=True)
    for example in content.get("examples", {}).values():
        if "value" in example:
            yield _shown(example["value"], indented=True)


def type_of(document: Document, schema: Document, depth: int = 0) -> str:
    """Return a schema in a few words, such as ``"pandas" or "cudf"``, ``list of string``, or ``any`` for no type."""
    schema = _resolved(document, schema)
    if depth > _DEPTH:
        return "…"
    if "const" in schema:
        return _shown(schema["const"])
    if "enum" in schema:
        return " or ".join(_shown(value) for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            shared = {"type": schema["type"]} if "type" in schema else {}
            kinds = (type_of(document, {**shared, **item}, depth + 1) for item in schema[union])
            return " or ".join(dict.fromkeys(kinds))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {type_of(document, schema.get('items', {}), depth + 1)}"
    if kind == "string" and schema.get("format"):
        return f"string ({schema['format']})"
    return str(kind or "any") + _limits(schema)


def _limits(schema: Document) -> str:
    """Return the limits of a type in words."""
    words = [
        f"{said} {schema[name]}"
        for name, said in (("exclusiveMinimum", "over"), ("minimum", "from"), ("maximum", "to"), ("pattern", "like"))
        if name in schema
    ]
    if "maxLength" in schema:
        words.append(f"{schema.get('minLength', 0)} to {schema['maxLength']} characters")
    elif schema.get("minLength"):
        words.append("not empty")
    return f" ({', '.join(words)})" if words else ""


def _resolved(document: Document, item: Document) -> Document:
    """Return what a reference within the document stands for; an empty mapping if it leads nowhere."""
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
