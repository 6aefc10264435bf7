"""Error answers in the document: one schema, and what each family of routes adds to it."""

from collections.abc import Iterable
from typing import Any, Final  # Any: JSON Schema

from deployments.ingress.error_answers import FAMILIES, OTHER, ErrorFamily
from deployments.ingress.errors import meaning_of, order_of, sentence_of, shown_as, status_of
from deployments.ingress.openapi.headers import header_references
from deployments.ingress.routing.declarations import HTML, JSON, TEXT
from runtime.errors import RunFailed

Schemas = dict[str, dict[str, Any]]

_WORDS: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean"}
_COUNT: Final = {"type": "number"}


def _object(description: str, required: Iterable[str] = (), /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties, "required": list(required)}


_ERROR: Final = _object(
    "An error. Keys other than `error`, `type` and `request_id` are there only if they apply.",
    ("error", "type", "request_id"),
    error={**_WORDS, "minLength": 1, "description": "What went wrong, as a sentence."},
    type={**_WORDS, "description": "What went wrong, as a name for programs."},
    request_id={**_WORDS, "description": "The id of the request, also in the server's log."},
    limit_name={**_WORDS, "description": "The name of the limit that was passed."},
    limit={**_COUNT, "description": "The value of that limit."},
    observed={**_COUNT, "description": "The value that was asked for or reached."},
    exception_type={**_WORDS, "description": "The class of the exception."},
    exception_message={**_WORDS, "description": "The text of the exception."},
    line={"type": ["integer", "null"], "description": "Line of the source, from 1."},
    column={"type": ["integer", "null"], "description": "Column in that line, from 1."},
    text={"type": ["string", "null"], "description": "The text of that line."},
    engine={"type": ["string", "null"], "description": "The engine that this server does not have."},
    dataset_id={**_WORDS, "description": "The dataset that cannot be loaded."},
)

_RUN_FAILED: Final = _object(
    "A run that failed.",
    ("run_id",),
    run_id={**_WORDS, "pattern": "^[0-9a-f]{32}$"},
    stdout={**_WORDS, "description": "Standard output of the task; its beginning and end if it was too long."},
    stderr={**_WORDS, "description": "Standard error of the task; its beginning and end if it was too long."},
    stdout_truncated=_FLAG,
    stderr_truncated=_FLAG,
    traceback={**_WORDS, "description": "The traceback as Python prints it, with the lines of the user's source only."},
    frames={
        "type": "array",
        "description": "The frames of the traceback, outermost first.",
        "items": _object(
            "A line of the user's source.",
            ("line", "function", "source"),
            line={"type": ["integer", "null"]},
            function=_WORDS,
            source={"type": ["string", "null"]},
        ),
    },
    signal={**_WORDS, "description": "The signal that ended the process."},
    exit_code={"type": "integer", "description": "The exit code of the process."},
)

_OF_RUNS: Final = "FailedRun"


def error_schemas() -> Schemas:
    """Return the schemas of error answers: the shared one, and those of the families on top of it."""
    shared = {"$ref": "#/components/schemas/Error"}
    families = {family.name: _with(shared, _family_schema(family)) for family in FAMILIES}
    run = _with({"$ref": f"#/components/schemas/{OTHER.name}"}, _RUN_FAILED)
    return {"Error": _ERROR, **families, _OF_RUNS: run}


class ErrorAnswers:
    """The error answers of a document: each once, under ``components``, however many operations have it."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}

    def of(self, kinds: Iterable[type[Exception]], family: ErrorFamily, *, as_page: bool) -> dict[int, dict[str, Any]]:
        """Return references by status. ``as_page``: browsers get a page."""
        found: dict[int, set[type[Exception]]] = {}
        for kind in kinds:
            found.setdefault(status_of(kind), set()).add(shown_as(kind))
        return {
            status: self._reference(status, sorted(shown, key=order_of), family, as_page=as_page)
            for status, shown in found.items()
        }

    def _reference(
        self, status: int, kinds: list[type[Exception]], family: ErrorFamily, *, as_page: bool
    ) -> dict[str, Any]:
        as_page = as_page and status < 500
        joined = _OF_RUNS if _is_of_run(kinds) else "_or_".join(kind.__name__ for kind in kinds)
        name = joined + family.suffix + (".page" if as_page else "")
        self.components[name] = _answer(status, kinds, family, as_page=as_page)
        return {"$ref": f"#/components/responses/{name}"}


def _answer(status: int, kinds: list[type[Exception]], family: ErrorFamily, *, as_page: bool) -> dict[str, Any]:
    is_of_run = _is_of_run(kinds)
    narrowed = {"properties": {"type": {"enum": [kind.__name__ for kind in kinds]}}}
    name = _OF_RUNS if is_of_run else family.name
    schema = {"allOf": [{"$ref": f"#/components/schemas/{name}"}, narrowed]}
    example = _example(kinds[0], family, is_of_run=is_of_run)
    contents: dict[str, Any] = {JSON: {"schema": schema, "example": example}}
    if as_page:
        contents[HTML] = {"schema": TEXT}
    return {
        "description": "\n".join(f"`{kind.__name__}`: {meaning_of(kind)}" for kind in kinds),
        "headers": header_references(*_headers(status, is_of_run=is_of_run)),
        "content": contents,
    }


def _is_of_run(kinds: list[type[Exception]]) -> bool:
    return any(issubclass(kind, RunFailed) for kind in kinds)


def _headers(status: int, *, is_of_run: bool) -> tuple[str, ...]:
    named = {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}
    return (*named.get(status, ()), *(("X-Run-Id",) if is_of_run else ()))


def _example(kind: type[Exception], family: ErrorFamily, *, is_of_run: bool) -> dict[str, Any]:
    sentence = sentence_of(kind)
    run = {"run_id": "c1d0f1b8a3d94b0f9d3f1c9a7e5b2a40", "stdout": "", "stderr": ""} if is_of_run else {}
    request_id = "464acaef-198e-4fcf-9283-4ba7cefa753e"
    return {**run, **family.fields(sentence), "error": sentence, "type": kind.__name__, "request_id": request_id}


def _family_schema(family: ErrorFamily) -> dict[str, Any]:
    properties = {name: dict(key.schema) for name, key in family.keys.items()}
    return {"type": "object", "description": family.description, "properties": properties, "required": list(properties)}


def _with(base: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the base and the schema together, described as the schema is."""
    added = {key: value for key, value in schema.items() if key != "description"}
    return {"description": schema["description"], "allOf": [base, added]}
