"""JSON Schemas of our models, with examples made of the examples of their fields."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal  # Any: JSON Schema

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from deployments.ingress.routing.declarations import Model
from deployments.ingress.texts import published

Mode = Literal["validation", "serialization"]

PREFIX: Final = "#/components/schemas/"
_SAMPLES: Final[dict[str, Any]] = {"string": "", "integer": 0, "number": 0, "boolean": True, "null": None}


class _Plain(GenerateJsonSchema):
    """Leaves out what says nothing: titles made of field names, and null as a default."""

    def field_title_should_be_set(self, _: object) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made


def schemas_of(models: Iterable[tuple[Model, Mode]]) -> tuple[dict[tuple[Model, Mode], dict[str, Any]], dict[str, Any]]:
    """Return a reference for each model as it is read (``validation``) or sent, and the schemas of all references."""
    wanted = list(dict.fromkeys(models))
    references, made = models_json_schema(wanted, ref_template=PREFIX + "{model}", schema_generator=_Plain)
    schemas = {name: _published(schema) for name, schema in made.get("$defs", {}).items()}
    return {(model, mode): references[model, mode] for model, mode in wanted}, schemas


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a value that the schema allows: its own example, else one made of the examples of its parts.

    An object has the required members, and those with an example.
    """
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(PREFIX)], schemas)
    for named in ("examples", "enum"):
        if schema.get(named):
            return schema[named][0]
    for named in ("const", "default"):
        if named in schema:
            return schema[named]
    if "anyOf" in schema:
        best = next((item for item in schema["anyOf"] if _has_example(item, schemas)), schema["anyOf"][-1])
        return example_of(best, schemas)
    if schema.get("type") == "object":
        members = schema.get("properties", {})
        required = schema.get("required", ())
        shown = {name: item for name, item in members.items() if name in required or _has_example(item, schemas)}
        return {name: example_of(item, schemas) for name, item in shown.items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)] if _has_example(schema.get("items", {}), schemas) else []
    return _SAMPLES.get(schema.get("type", ""), {})


def _has_example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    if "$ref" in schema:
        return True
    if any(_has_example(item, schemas) for item in schema.get("anyOf", ())):
        return True
    return "examples" in schema or ("items" in schema and _has_example(schema["items"], schemas))


def _published(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema without its title, which is its name, and with its docstring as published text."""
    shown = {key: value for key, value in schema.items() if key != "title"}
    return {**shown, "description": published(shown["description"])} if "description" in shown else shown
